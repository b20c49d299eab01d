"""What the bodies of several providers have in common, and JSON answers."""
