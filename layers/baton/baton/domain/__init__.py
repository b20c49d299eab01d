"""What Baton decides, and nothing of how it stores or sends: no boto3, no requests, no environment."""
