"""What surrounds an LLM call: API keys, limits, and the check of an instance."""
