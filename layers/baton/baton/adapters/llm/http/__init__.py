"""HTTP to LLM endpoints: connections, deadlines, streams, and the failures that they end in."""
