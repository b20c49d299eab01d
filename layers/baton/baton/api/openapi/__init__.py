"""The description of the HTTP API, for programs and for people: a document that `make openapi` writes, and a page."""
