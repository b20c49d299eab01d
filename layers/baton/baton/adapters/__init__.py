"""Adapters to external services: DynamoDB, S3, Step Functions, WebSocket connections, secrets and LLMs."""
