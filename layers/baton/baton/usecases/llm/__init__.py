"""The use cases around an LLM call: API keys, limits, and the check of an instance."""
