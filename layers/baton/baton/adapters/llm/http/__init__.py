"""HTTP to LLM endpoints: connections, deadlines, streams, and the translation of their errors to ``LlmError``."""
