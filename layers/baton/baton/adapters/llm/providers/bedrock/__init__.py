"""Amazon Bedrock's Converse API, called with the function's own role and in its own region."""

from baton.adapters.llm.provider import Provider
from baton.adapters.llm.providers.bedrock import converse

PROVIDER = Provider(
    complete=converse.complete,
    unsupported_settings=converse.unsupported_settings,
    accepts_base_url=False,
    accepts_api_key=False,
    accepts_api_key_header=False,
)
