"""Bedrock at the endpoint of a test, configured as boto3 reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import boto3
import pytest

from baton.adapters.llm.providers.bedrock.client import bedrock

KEY_ID = "testing"
SECRET = "a-secret-of-no-account"
REGION = boto3.Session().get_available_regions("bedrock")[0]
"""The first existing region: boto3 accepts only those."""


@contextmanager
def account_at(url: str | None, **more: str | None) -> Iterator[None]:
    """Inside the block, boto3 has these credentials, this region and this endpoint, and no settings of the developer.

    ``None`` is not set; so without a URL, boto3 uses the region's own.
    """
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        variables: dict[str, str | None] = {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
        }
        for name, value in (variables | more).items():
            if value is not None:
                monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None if more else _session())
        bedrock.cache_clear()
        yield
    bedrock.cache_clear()


@cache
def _session() -> boto3.Session:
    """With the usual credentials, because a session caches the first ones that it finds, and a new one is slow."""
    return boto3.Session()
