"""Answers without a model, for trials and tests."""
