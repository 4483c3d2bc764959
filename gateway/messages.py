"""The sentences for requests that no deployment answered: the engine's verdict, said to a developer."""

from gateway.errors import (
    BadRequest,
    DeadlinePassed,
    GatewayError,
    NotAllowed,
    NotFound,
    Unavailable,
    UpstreamsFailed,
    UpstreamThrottled,
)
from routing.engine.errors import ModelNotAllowed, RoutingError, UnknownModel, UnknownPolicy, UnknownProvider
from routing.engine.verdict import Verdict

WORDS = {
    "timeout": "timed out",
    "connection_error": "could not be reached",
    "rate_limited": "is limiting our rate",
    "quota_exhausted": "has used up its quota",
    "credential_refused": "refused our credential",
    "configuration": "is not set up right",
    "server_error": "failed",
    "bad_response": "sent a broken answer",
    "capability": "cannot do what is asked",
    "context_too_long": "has too small a context window",
    "circuit_open": "is resting after failures",
    "held": "is on hold",
    "busy": "is busy",
}


def error_for_verdict(verdict: Verdict, model: str) -> GatewayError:
    """What the caller is told when nothing answered."""
    match verdict.code:
        case "upstream_rate_limited":
            return UpstreamThrottled(
                f"Every upstream of {model} is limiting our rate{tried(verdict)}. Try again later.",
                retry_after=verdict.retry_after or 1.0,
            )
        case "upstream_timeout":
            return DeadlinePassed(f"No upstream of {model} answered before the deadline{tried(verdict)}.")
        case "context_length_exceeded":
            return BadRequest(
                context_message(verdict.window), code="context_length_exceeded", param="messages"
            )
        case "capability_not_supported":
            return BadRequest(
                f"Nothing behind {model} can do what this request needs: {verdict.detail or 'see its parameters'}. "
                "Choose another model, or leave it out.",
                code="capability_not_supported",
            )
        case "model_not_allowed":
            return NotAllowed(
                f"This API key may not use any upstream of {model}. Ask an operator for access."
            )
        case "content_filter":
            return BadRequest(
                f"An upstream's content filter refused this request. {verdict.detail}".strip(),
                code="content_filter",
            )
        case "invalid_request":
            said = f" It said: {verdict.detail}" if verdict.detail else ""
            return BadRequest(f"The upstream refused this request as invalid.{said}")
        case "no_healthy_upstream":
            return no_healthy_upstream(verdict, model)
    return UpstreamsFailed(f"All upstreams of {model} failed{tried(verdict)}.")


def no_healthy_upstream(verdict: Verdict, model: str) -> Unavailable:
    """Nothing was tried: all rest for now, or nothing is set up at all."""
    if verdict.reasons:
        return Unavailable(
            f"No upstream of {model} can take a request now{tried(verdict)}. Try again later.",
            retry_after=verdict.retry_after or 1.0,
        )
    return Unavailable(
        f"No upstream of {model} is set up for this policy. An operator can see why in admin, or with "
        f"`manage.py explain {model}`.",
        retry_after=60.0,
    )


def context_message(window: int | None) -> str:
    """Clients recognise the words “maximum context length is”."""
    limit = f"{window} tokens" if window else "smaller than this request"
    return f"This model's maximum context length is {limit}. Shorten the messages, or ask for fewer output tokens."


def tried(verdict: Verdict) -> str:
    """` (hf timed out; openai failed)`, or nothing."""
    parts = [f"{label} {WORDS.get(word, word)}" for label, word in dict.fromkeys(verdict.reasons)]
    return f" ({'; '.join(parts)})" if parts else ""


def error_for_query(error: RoutingError) -> GatewayError:
    """The engine's refusal of a query, as the API says it."""
    if isinstance(error, UnknownModel):
        return NotFound(str(error), code="model_not_found", param="model")
    if isinstance(error, ModelNotAllowed):
        return NotAllowed(str(error))
    if isinstance(error, UnknownPolicy):
        return BadRequest(str(error), code="invalid_policy")
    if isinstance(error, UnknownProvider):
        return BadRequest(str(error), code="invalid_provider")
    return BadRequest(str(error))
