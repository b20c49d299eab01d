"""LLM calls: a registry, one package per provider, and the formats and HTTP transport that providers share."""
