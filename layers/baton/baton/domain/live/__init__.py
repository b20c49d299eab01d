"""Live messages: what WebSocket clients send and receive."""
