"""Import and export workflow files."""
