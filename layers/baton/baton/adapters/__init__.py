"""How Baton reaches the outside: DynamoDB, S3, Step Functions, WebSocket connections, secrets and LLMs."""
