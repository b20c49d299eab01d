"""Workflow files: a workflow with all definitions that it refers to, as one file."""
