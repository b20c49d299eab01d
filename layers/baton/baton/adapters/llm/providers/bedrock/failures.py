"""boto3's errors, translated to ``LlmError``: the service's by status, botocore's own by one table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.parsers import ResponseParserError

from baton.adapters.llm.formats.failures import failure, failure_of, parsed
from baton.adapters.llm.http.rate_limit_headers import retry_after
from baton.adapters.llm.http.wire import HttpReply
from baton.domain.errors import LlmError, LlmRefused, LlmServerError, LlmThrottled, LlmUnreachable
from baton.domain.llm.calls import LlmCall

FAILURE_BY_CODE: Mapping[str, type[LlmError]] = {
    "ModelErrorException": LlmServerError,
    "ServiceQuotaExceededException": LlmThrottled,
}
"""Where the status is misleading: this 424 is a failure of the model, and this 400 can be retried later."""

STATUS_BY_EVENT: Mapping[str, int] = {
    "validationException": 400,
    "accessDeniedException": 403,
    "resourceNotFoundException": 404,
    "modelTimeoutException": 408,
    "throttlingException": 429,
    "internalServerException": 500,
    "modelStreamErrorException": 500,
    "serviceUnavailableException": 503,
}
"""For an exception within a stream; any other is a failure of the service. ``modelStreamErrorException`` has status
424, but the API's reference says to retry."""

type Row = tuple[type[LlmError], str]

NO_CREDENTIALS: Row = (LlmRefused, "has no AWS credentials for the call")
CREDENTIALS_UNAVAILABLE: Row = (LlmUnreachable, "can't be called: its AWS credentials can't be fetched")
NO_REGION: Row = (LlmRefused, "can't be called: it has no AWS region, or one where boto3 knows no Bedrock")
BAD_PARAMETER: Row = (LlmRefused, "has a model or setting that Converse doesn't accept")
CANT_CONNECT: Row = (LlmUnreachable, "can't be reached")
OLD_BOTO: Row = (LlmRefused, "can't be called with this version of boto3")
BAD_CONFIG: Row = (LlmRefused, "can't be called with boto3 as it is configured here")
UNEXPECTED: Row = (LlmRefused, "can't be called through boto3")

NAMES_BY_ROW: Mapping[Row, tuple[str, ...]] = {
    NO_CREDENTIALS: (
        "NoCredentialsError",
        "PartialCredentialsError",
        "UnknownCredentialError",
        "NoAuthTokenError",
        "UnknownTokenProviderError",
        "RefreshWithMFAUnsupportedError",
        "SSOError",
        "LoginError",
    ),
    CREDENTIALS_UNAVAILABLE: ("CredentialRetrievalError", "TokenRetrievalError", "MetadataRetrievalError"),
    NO_REGION: (
        "BaseEndpointResolverError",
        "EndpointProviderError",
        "InvalidRegionError",
        "UnknownRegionError",
        "ServiceNotInRegionError",
    ),
    BAD_PARAMETER: ("ParamValidationError", "ValidationError", "MissingParametersError", "InvalidHostLabelError"),
    CANT_CONNECT: ("HTTPClientError", "ConnectionError", "IncompleteReadError", "CapacityNotAvailableError"),
    OLD_BOTO: (
        "ApiVersionNotFoundError",
        "DataNotFoundError",
        "MD5UnavailableError",
        "MissingDependencyException",
        "UnknownClientMethodError",
        "UnknownServiceStyle",
        "UnknownSignatureVersionError",
        "UnsupportedServiceProtocolsError",
        "UnsupportedSignatureVersionError",
    ),
    BAD_CONFIG: (
        "ConfigNotFound",
        "ConfigParseError",
        "InvalidChecksumConfigError",
        "InvalidConfigError",
        "InvalidDefaultsMode",
        "InvalidEndpointConfigurationError",
        "InvalidEndpointDiscoveryConfigurationError",
        "InvalidIMDSEndpointError",
        "InvalidIMDSEndpointModeError",
        "InvalidProxiesConfigError",
        "InvalidRetryConfigurationError",
        "InvalidS3AddressingStyleError",
        "InvalidS3UsEast1RegionalEndpointConfigError",
        "InvalidSTSRegionalEndpointsConfigError",
        "ProfileNotFound",
        "ValueError",
    ),
    UNEXPECTED: (
        "AwsChunkedWrapperError",
        "ChecksumError",
        "EndpointDiscoveryException",
        "FlexibleChecksumError",
        "InvalidDNSNameError",
        "InvalidExpressionError",
        "OperationNotPageableError",
        "PaginationError",
        "StubResponseError",
        "UnseekableStreamError",
        "UnsupportedOutpostResourceError",
        "UnsupportedS3AccesspointConfigurationError",
        "UnsupportedS3ArnError",
        "UnsupportedS3ConfigurationError",
        "UnsupportedS3ControlArnError",
        "UnsupportedS3ControlConfigurationError",
        "WaiterConfigError",
        "WaiterError",
    ),
}
FAILURES: Mapping[str, Row] = {name: row for row, names in NAMES_BY_ROW.items() for name in names}
"""All errors of botocore; the nearest base class counts. By name, since Lambda's own botocore may be older or newer.
The last row is for errors that Converse never causes."""

UNREADABLE = (ResponseParserError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What botocore's parser raises for a value of an unexpected type."""


def service_failure(response: Mapping[str, Any], call: LlmCall, now: datetime) -> LlmError:
    """The failure in a ``ClientError``'s response; ``now`` is for ``Retry-After`` dates."""
    details, metadata = response.get("Error", {}), response["ResponseMetadata"]
    wait = retry_after(metadata["HTTPHeaders"], now)
    error = failure(call, metadata["HTTPStatusCode"], {"message": details.get("Message")}, wait)
    kind = FAILURE_BY_CODE.get(details.get("Code", ""))
    return kind(str(error)) if kind else error


def reply_failure(reply: HttpReply, call: LlmCall, now: datetime) -> LlmError:
    """The failure in a reply that botocore doesn't read; ``now`` is for ``Retry-After`` dates."""
    body = parsed(reply.body)
    if not isinstance(body, dict):
        return failure_of(reply, call, now)
    details = {"message": body.get("message") or body.get("Message")}
    error = failure(call, reply.status, details, retry_after(reply.headers, now))
    kind = FAILURE_BY_CODE.get(reply.headers.get("x-amzn-errortype", "").partition(":")[0])
    return kind(str(error)) if kind else error


def event_failure(error: Mapping[str, Any], call: LlmCall) -> LlmError:
    """The failure that ended a stream."""
    return failure(call, STATUS_BY_EVENT.get(str(error.get("code")), 500), {"message": error.get("message")})


def client_failure(error: Exception, call: LlmCall) -> LlmError:
    """The failure of a call that couldn't be sent. botocore's own message is omitted, since it may quote a prompt."""
    names = (base.__name__ for base in type(error).__mro__)
    kind, what = next((FAILURES[name] for name in names if name in FAILURES), UNEXPECTED)
    return kind(f"LLM instance {call.endpoint.instance_name!r} {what} ({type(error).__name__}).")
