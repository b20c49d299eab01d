"""Baton's data types and rules, without input and output: no boto3, no requests, no environment variables."""
