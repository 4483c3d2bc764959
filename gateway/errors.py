"""Everything a client can be told has gone wrong; no other text ever reaches one.

GatewayError                  carries status, type, code, param, `should_retry`, headers and the log state
├── BadRequest         400    the request itself: `code` says how, `param` names the field
├── Unauthenticated    401    no key, or none that works
├── NotAllowed         403    the key may not do this
├── NotFound           404    unknown model or path
├── MethodNotAllowed   405
├── TooSlow            408    the upload took too long
├── TooLarge           413    the body is over the limit
├── UnsupportedMedia   415    multipart or form data on a JSON path
├── LimitReached       429    requests, tokens or requests at once of a key or its owner
├── BudgetSpent        429    money of a key, its owner, an alias or a tier
├── UpstreamThrottled  429    every upstream throttled us
├── InternalError      500    our bug; the request id finds the log line
├── UpstreamsFailed    502    attempts spent
├── Unavailable        503    nothing healthy, overload, draining, limits that cannot be checked
└── DeadlinePassed     504
StreamBroken                  an answer broke off after content: ends the stream with an error frame
"""

from typing import Any, ClassVar

import orjson

from routing.engine.outcome import Outcome

Headers = tuple[tuple[bytes, bytes], ...]


class GatewayError(Exception):
    """One refusal, as the client will read it. `message` says what was wrong and what to do."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str] = "internal_error"
    should_retry: ClassVar[bool] = False
    state: ClassVar[str] = "client_error"

    def __init__(
        self, message: str, *, code: str = "", param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.param = param
        self.retry_after = retry_after
        self.extra_headers: Headers = ()

    def body(self) -> bytes:
        """OpenAI's error envelope."""
        return orjson.dumps({"error": self.envelope()})

    def envelope(self) -> dict[str, Any]:
        """The object under `error`."""
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}

    def headers(self) -> Headers:
        """Headers that belong to this error: whether to retry, and when."""
        retry = (b"x-should-retry", b"true" if self.should_retry else b"false")
        if self.retry_after is None:
            return (retry, *self.extra_headers)
        seconds = max(1, round(self.retry_after + 0.499))
        return (retry, (b"retry-after", str(seconds).encode()), *self.extra_headers)


class BadRequest(GatewayError):
    """The request cannot be served as it is."""

    status, type, default_code = 400, "invalid_request_error", "invalid_request"


class Unauthenticated(GatewayError):
    """No key, or none that works."""

    status, type, default_code = 401, "authentication_error", "invalid_api_key"


class NotAllowed(GatewayError):
    """The key is good and may not do this."""

    status, type, default_code = 403, "permission_error", "model_not_allowed"


class NotFound(GatewayError):
    """No such model or path."""

    status, type, default_code = 404, "invalid_request_error", "unknown_url"


class MethodNotAllowed(GatewayError):
    """The path exists for other methods."""

    status, type, default_code = 405, "invalid_request_error", "method_not_allowed"


class TooSlow(GatewayError):
    """The upload took too long."""

    status, type, default_code = 408, "invalid_request_error", "upload_too_slow"


class TooLarge(GatewayError):
    """The body is over the limit."""

    status, type, default_code = 413, "invalid_request_error", "body_too_large"


class UnsupportedMedia(GatewayError):
    """A multipart or form body on a JSON path."""

    status, type, default_code = 415, "invalid_request_error", "unsupported_media_type"


class LimitReached(GatewayError):
    """Requests or tokens per minute, or requests at once, are used up."""

    status, type, default_code = 429, "rate_limit_error", "rate_limit_exceeded"
    should_retry, state = True, "refused"


class BudgetSpent(GatewayError):
    """Money that was granted is spent or set aside; `room` is what is left, in billionths of a US dollar."""

    status, type, default_code = 429, "insufficient_quota", "insufficient_quota"
    state = "refused"

    def __init__(self, message: str, *, room: int = 0) -> None:
        super().__init__(message)
        self.room = room


class UpstreamThrottled(GatewayError):
    """Every upstream throttled us."""

    status, type, default_code = 429, "rate_limit_error", "upstream_rate_limited"
    should_retry, state = True, "upstream_error"


class InternalError(GatewayError):
    """Our own mistake."""

    state = "upstream_error"


class UpstreamsFailed(GatewayError):
    """Every deployment in the plan was tried and failed."""

    status, type, default_code = 502, "upstream_error", "all_upstreams_failed"
    state = "upstream_error"


class Unavailable(GatewayError):
    """Nothing eligible or healthy, overload, draining."""

    status, type, default_code = 503, "service_unavailable", "no_healthy_upstream"
    should_retry, state = True, "upstream_error"


def draining() -> Unavailable:
    """What a request is told that this worker's stop cuts off."""
    return Unavailable("The gateway is restarting. Send the request again.", code="draining", retry_after=1.0)


class DeadlinePassed(GatewayError):
    """The request's deadline passed before an upstream answered."""

    status, type, default_code = 504, "upstream_error", "upstream_timeout"
    state = "upstream_error"


class AttemptFailed(Exception):
    """One attempt ended without content; `outcome` says why and whether another can help.

    `said` is the fingerprint of the upstream's own words, which are kept nowhere.
    """

    def __init__(self, outcome: Outcome, said: str = "") -> None:
        super().__init__(f"{outcome.fault}: {outcome.word}")
        self.outcome, self.said = outcome, said


class StreamBroken(Exception):
    """An answer broke off after its first content; `outcome` says why, `error` is what the client is told.

    `said` is as in AttemptFailed.
    """

    def __init__(self, outcome: Outcome, error: GatewayError, said: str = "") -> None:
        super().__init__(f"{outcome.fault}: {outcome.word}")
        self.outcome, self.error, self.said = outcome, error, said


class ClientLeft(Exception):
    """The client closed the connection; nobody's fault."""
