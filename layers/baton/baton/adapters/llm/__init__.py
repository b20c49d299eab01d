"""How Baton talks to LLMs: a registry, one file per provider, and the one POST that the HTTP providers share."""
