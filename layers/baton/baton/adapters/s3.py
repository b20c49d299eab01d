"""Texts in S3 that are too long for a DynamoDB item."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from baton.adapters.dynamodb.large_records import TextGone

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client


GONE = frozenset({"NoSuchKey", "AccessDenied"})
"""A function without permission to list the bucket gets ``AccessDenied`` for a missing object.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""


class S3Texts:
    """Texts in a bucket. The client is created on first use, since long texts are rare."""

    def __init__(self, client: Callable[[], S3Client], bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def key(self, folder: str, text: str) -> str:
        """The key is a hash of the content, so two deliveries of a payload can't overwrite each other's text."""
        return f"{folder}/{hashlib.sha256(text.encode()).hexdigest()}.txt"

    def put(self, folder: str, text: str) -> str:
        """Store the text and return its key."""
        body, key = text.encode(), self.key(folder, text)
        self._client().put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="text/plain; charset=utf-8")
        return key

    def get(self, key: str) -> str:
        """The whole text.

        :raises TextGone: if it does not exist.
        """
        try:
            return self._client().get_object(Bucket=self._bucket, Key=key)["Body"].read().decode()
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                raise TextGone from error
            raise

    def beginning(self, key: str, max_bytes: int) -> str:
        """A prefix of the text: at most ``max_bytes`` bytes, of whole characters."""
        found = self._client().get_object(Bucket=self._bucket, Key=key, Range=f"bytes=0-{max_bytes - 1}")
        return found["Body"].read().decode(errors="ignore")

    def url(self, key: str, seconds: int) -> str:
        """A signed URL that is valid for ``seconds``. Whoever has it can read the text, so it must not be logged."""
        return self._client().generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=seconds
        )

    def delete(self, key: str) -> None:
        """Delete the text; a missing text is not an error."""
        self._client().delete_object(Bucket=self._bucket, Key=key)
