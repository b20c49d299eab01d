"""Which function API Gateway sends a request to, by the routes of the template.

A full match has priority over one with ``{proxy+}``, and that over ``$default``; a longer match over a shorter one.
Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

import re
from functools import cache

from tests.support import template

DEFAULT = "$default"


@cache
def routes() -> dict[str, str]:
    """The function, by its folder, of each route key on AWS."""
    functions = {
        name: properties["CodeUri"] for name, properties in template.resources("AWS::Serverless::Function").items()
    }
    integrations = {
        name: functions[properties["IntegrationUri"]["Fn::GetAtt"][0]].removeprefix("functions/")
        for name, properties in template.resources("AWS::ApiGatewayV2::Integration").items()
    }
    return {
        properties["RouteKey"]: integrations[re.findall(r"\$\{(\w+)\}", properties["Target"]["Fn::Sub"])[0]]
        for name, properties in template.resources("AWS::ApiGatewayV2::Route").items()
        if template.template()["Resources"][name].get("Condition") != "OnEmulator"
    }


def route_of(method: str, path: str) -> str:
    """The key of the route that matches a request."""
    full = f"{method} {path}"
    if full in routes():
        return full
    greedy = [key for key in routes() if key.endswith("{proxy+}") and full.startswith(key.removesuffix("{proxy+}"))]
    return max(greedy, key=len, default=DEFAULT)


def function_of(method: str, path: str) -> str:
    """The function that receives a request, by its folder."""
    return routes()[route_of(method, path)]
