"""Inbound HTTP: the routes, their request and response bodies, and the HTTP status of each error."""
