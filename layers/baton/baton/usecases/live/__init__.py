"""Keep WebSocket clients informed."""
