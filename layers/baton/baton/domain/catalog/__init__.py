"""Definitions: blocks, payloads, workflows and LLM instances, and how they refer to each other."""
