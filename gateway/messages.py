"""The sentences for requests that no deployment answered: the engine's verdict, said to a developer."""

from math import ceil

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
from routing.engine.plan import Rejection
from routing.engine.snapshot import DIALECTS, IMAGE_URLS
from routing.engine.verdict import Reason, Verdict

UNITS = ((3600, "hour"), (60, "minute"), (1, "second"))
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
# What put a held one on hold, after the word "after".
HELD_AFTER = {
    "rate_limited": "it limited our rate",
    "quota_exhausted": "it said its quota is used up",
    "credential_refused": "it refused our credential",
    "configuration": "it did not know the model or the address",
    "busy": "it said it is busy",
    "operator": "an operator asked for it",
}
# What a request wants of a model, by the dialect it came in.
WANTED = {
    "chat": "chats",
    "completions": "completes text",
    "responses": "answers the Responses API",
    "messages": "answers the Messages API",
    "embeddings": "makes embeddings",
}
# Why the provider that a request names cannot be asked; addresses are for operators alone.
KEPT_AWAY = {
    "disabled": "it is switched off",
    "address_refused": "its address is not allowed on this gateway",
    "wire_unavailable": "this gateway is built without what it needs",
    "tier_not_in_policy": "the policy does not reach its tier",
    "price_ceiling": "it is above the policy's price ceiling",
    "budget_spent": "what is left of the budget does not cover it",
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
            return BadRequest(not_able(verdict.detail, model), code="capability_not_supported")
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
    """Nothing was tried: all rest for now, the provider asked for is kept away, or nothing is set up at all."""
    if verdict.reasons:
        return Unavailable(
            f"No upstream of {model} can take a request now{tried(verdict)}. Try again later.",
            retry_after=verdict.retry_after or 1.0,
        )
    if verdict.named is not None:
        return Unavailable(not_at_the_named(verdict.named, model), retry_after=60.0)
    return Unavailable(
        f"No upstream of {model} is set up for this policy. An operator can see why in admin, or with "
        f"`manage.py explain {model}`.",
        retry_after=60.0,
    )


def not_at_the_named(kept: Rejection, model: str) -> str:
    """The X-RainyModel-Provider header asks for one that cannot be asked: why, and what to do."""
    owner = kept.deployment.provider
    why = owner.why if kept.reason == "no_credential" else KEPT_AWAY.get(kept.reason, "")
    return (
        f"X-RainyModel-Provider asks for {owner.upstream}, which cannot answer {model} here"
        f"{f': {why}' if why else ''}. Leave the header out to use another provider; an operator can mend it "
        f"on the page of the provider {owner.slug}."
    )


def not_able(missing: str, model: str) -> str:
    """What nothing behind the model can do: a dialect as a whole, or capabilities that the request may go without."""
    if missing in DIALECTS:
        return (
            f"Nothing behind {model} {WANTED[missing]}. Choose another model; GET /v1/models lists the names."
        )
    if IMAGE_URLS in missing:
        return (
            f"Nothing behind {model} may fetch images from the net. Send them in the request, as data: URLs, "
            "or choose another model."
        )
    return (
        f"Nothing behind {model} can do what this request needs: {missing or 'see its parameters'}. "
        "Choose another model, or leave it out."
    )


def context_message(window: int | None) -> str:
    """Clients recognise the words “maximum context length is”."""
    limit = f"{window} tokens" if window else "smaller than this request"
    return f"This model's maximum context length is {limit}. Shorten the messages, or ask for fewer output tokens."


def tried(verdict: Verdict) -> str:
    """` (hf timed out; openai failed)`, or nothing."""
    parts = dict.fromkeys(f"{reason.label} {told(reason)}" for reason in verdict.reasons)
    return f" ({'; '.join(parts)})" if parts else ""


def told(reason: Reason) -> str:
    """`timed out`; of one on hold also for how long and why."""
    said = WORDS.get(reason.word, reason.word)
    if reason.word != "held":
        return said
    lasts = "" if reason.wait is None else f" for {about(reason.wait)}"
    because = HELD_AFTER.get(reason.held_for)
    return f"{said}{lasts}{f' after {because}' if because else ''}"


def about(seconds: float) -> str:
    """`12 seconds`, `5 minutes`, `3 hours`: rounded up, so that nobody comes back too early."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds > 1.5 * size), UNITS[-1])
    count = max(1, ceil(seconds / size))
    return f"{count} {unit}{'' if count == 1 else 's'}"


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
