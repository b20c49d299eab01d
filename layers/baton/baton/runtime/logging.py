"""One logger for all functions: events with fields, as JSON. Never prompts, answers, keys or the environment."""

import logging

from aws_lambda_powertools import Logger

TALKATIVE = ("boto3", "botocore", "s3transfer", "urllib3")
"""At level DEBUG, which the template may set for all of a function, they write down what they send and receive."""

for name in TALKATIVE:
    logging.getLogger(name).setLevel(logging.INFO)

logger = Logger()
"""Its service name and level come from the environment, which the template sets."""
