"""LLM calls: settings, endpoints, limits, API keys and answers, the same for every provider."""
