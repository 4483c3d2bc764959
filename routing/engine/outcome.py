"""What an attempt came to, and whose fault it was. The words are the fixed list that headers and logs use."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Whose fault an outcome was; it decides what follows (see `Outcome`)."""

    NONE = "none"  # it worked
    UNHEALTHY = "unhealthy"  # next; counts in the breaker
    THROTTLED = "throttled"  # next; held for `retry_after`
    QUOTA = "quota"  # next; held until the provider's window ends
    CREDENTIAL = "credential"  # next; provider held, operators told
    CONFIGURATION = "configuration"  # next; deployment held, operators told
    CAPABILITY = "capability"  # next capable one; health untouched
    TOO_LONG = "too_long"  # next one with a larger window; health untouched
    REQUEST = "request"  # no failover: the request itself is wrong
    CLIENT = "client"  # it left; nobody's fault


FALLBACK_WORDS = (
    "timeout",
    "connection_error",
    "rate_limited",
    "quota_exhausted",
    "credential_refused",
    "configuration",
    "server_error",
    "bad_response",
    "capability",
    "context_too_long",
    "circuit_open",
    "held",
    "busy",
)
REJECTED_WORDS = (
    "disabled",
    "no_credential",
    "address_refused",
    "tier_not_in_policy",
    "tier_not_allowed",
    "capability",
    "context_too_small",
    "provider_filter",
    "price_ceiling",
    "budget_spent",
    "unpriced",
    "wire_unavailable",
)
STOPS_HERE = frozenset({Fault.NONE, Fault.REQUEST, Fault.CLIENT})


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt's result.

    `word` is from FALLBACK_WORDS (empty when it worked, `invalid_request` or `content_filter` for the
    request's own fault, `cancelled` when the client left). `retry_after` is seconds, None when the
    upstream gave none.
    `detail` is at most 200 sanitised characters of the upstream's text and only set for Fault.REQUEST.
    `first_content` is the seconds to the first content, when there was any; `whole` is True when the answer came in
    one piece, so that they tell how long it was rather than how quick.
    """

    fault: Fault
    word: str = ""
    status: int | None = None
    retry_after: float | None = None
    detail: str = ""
    first_content: float | None = None
    whole: bool = False

    @property
    def retryable(self) -> bool:
        """True when trying another deployment can help."""
        return self.fault not in STOPS_HERE


WORKED = Outcome(Fault.NONE)
