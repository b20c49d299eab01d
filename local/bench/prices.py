"""AWS's list prices in us-east-1, in USD, without free tiers and volume discounts, as of November 2026."""

from collections.abc import Mapping
from types import MappingProxyType

PRICES: Mapping[str, float] = MappingProxyType(
    {
        # https://aws.amazon.com/lambda/pricing/, arm64
        "lambda requests": 0.20 / 1_000_000,
        "lambda GB-seconds": 0.0000133334,
        # https://aws.amazon.com/step-functions/pricing/, standard workflows
        "state transitions": 0.025 / 1_000,
        # https://aws.amazon.com/dynamodb/pricing/on-demand/, standard table class
        "write units": 0.625 / 1_000_000,
        "read units": 0.125 / 1_000_000,
        # https://aws.amazon.com/api-gateway/pricing/: HTTP requests, and WebSocket messages of up to 32 KB
        "http requests": 1.00 / 1_000_000,
        "websocket posts": 1.00 / 1_000_000,
    }
)


def price(usage: Mapping[str, float]) -> float:
    """Of what was used, by the names of ``PRICES``.

    :raises KeyError: for a name without a price.
    """
    return sum(PRICES[name] * quantity for name, quantity in usage.items())
