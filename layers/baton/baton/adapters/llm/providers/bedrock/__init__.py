"""Bedrock's Converse, through boto3."""
