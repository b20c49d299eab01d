"""Send live messages to WebSocket clients."""
