"""Errors in Anthropic's shape, before the first byte and inside a stream."""

from typing import Any

import orjson

from gateway.errors import GatewayError

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
OVERLOADED = 529  # Anthropic's word for a 503; its clients wait and send again


def error_object(error: GatewayError) -> dict[str, Any]:
    """The event or document of an error, without a request id."""
    otherwise = "invalid_request_error" if 400 <= error.status < 500 else "api_error"
    return {
        "type": "error",
        "error": {"type": TYPES.get(error.status, otherwise), "message": error.message},
    }


def error_document(error: GatewayError, request_id: str) -> bytes:
    """The body of an error response."""
    return orjson.dumps({**error_object(error), "request_id": request_id})


def status_of(error: GatewayError) -> int:
    """The status of an error response."""
    return OVERLOADED if error.status == 503 else error.status
