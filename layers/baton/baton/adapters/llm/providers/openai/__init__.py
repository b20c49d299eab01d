"""OpenAI's chat completions, and the servers that imitate them."""
