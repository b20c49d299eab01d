"""Baton: chains of LLM prompts as durable, observable runs."""
