"""One package for each provider."""
