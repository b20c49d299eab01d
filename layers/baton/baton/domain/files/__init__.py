"""Workflow files: a workflow with everything that it needs, as one file."""
