"""Inbound HTTP: the routes, the bodies that they take and give, and which error becomes which status."""
