"""Amazon Bedrock's Converse API, called with the function's own role and in its own region."""

from baton.adapters.llm.provider import Provider
from baton.adapters.llm.providers.bedrock import converse

PROVIDER = Provider(
    complete=converse.complete,
    unsupported_settings=converse.unsupported_settings,
    takes_base_url=False,
    takes_api_key=False,
    takes_api_key_header=False,
)
