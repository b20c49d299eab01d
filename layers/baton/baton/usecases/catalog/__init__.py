"""Create, replace and delete definitions."""
