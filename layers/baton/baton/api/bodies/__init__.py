"""Requests and views: bodies that clients send, validated by pydantic, and bodies that they receive."""
