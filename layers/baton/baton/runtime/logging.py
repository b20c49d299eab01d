"""One logger for all functions: events with fields, as JSON. Never prompts, answers, keys or the environment."""

from aws_lambda_powertools import Logger

logger = Logger()
"""Its service name and level come from the environment, which the template sets."""
