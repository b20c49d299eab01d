"""The routes, one file a resource. A route calls one use case or, where it only reads, one store."""
