"""One package per provider."""
