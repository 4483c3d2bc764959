"""litellm's exceptions → Outcome, by class name; complete for the pinned version, and pure.

An upstream's own refusal never comes this way: the transport classifies it from its status and bytes. What is left
are litellm's words about requests it will not translate, answers it does not understand, and its own limits.
"""

from collections.abc import Mapping

import orjson

from gateway.upstream import classify
from routing.engine.outcome import Fault, Outcome

CREDENTIAL = Outcome(Fault.CREDENTIAL, "credential_refused")
CONFIGURATION = Outcome(Fault.CONFIGURATION, "configuration")
CAPABILITY = Outcome(Fault.CAPABILITY, "capability")
TOO_LONG = Outcome(Fault.TOO_LONG, "context_too_long")
FILTERED = Outcome(Fault.REQUEST, "content_filter")
BAD_RESPONSE = Outcome(Fault.UNHEALTHY, "bad_response")
SERVER_ERROR = Outcome(Fault.UNHEALTHY, "server_error")
# These classes stand for several things each; text and headers say which. Their usual status.
BY_TEXT = {
    "APIError": 500,
    "BadGatewayError": 502,
    "BadRequestError": 400,
    "InternalServerError": 500,
    "InvalidRequestError": 400,
    "MidStreamFallbackError": 503,
    "PaymentRequiredError": 402,
    "RateLimitError": 429,
    "ServiceUnavailableError": 503,
    "UnprocessableEntityError": 422,
}
OUTCOMES: Mapping[str, Outcome] = {
    "APIConnectionError": BAD_RESPONSE,  # its name for whatever it did not foresee; connections are the transport's
    "APIResponseValidationError": BAD_RESPONSE,
    "AuthenticationError": CREDENTIAL,
    "BlockedPiiEntityError": FILTERED,
    "BudgetExceededError": CONFIGURATION,  # a budget inside litellm; this gateway sets none
    "ContentPolicyViolationError": FILTERED,
    "ContextWindowExceededError": TOO_LONG,
    "GuardrailRaisedException": FILTERED,
    "ImageFetchError": CAPABILITY,
    "JSONSchemaValidationError": BAD_RESPONSE,
    "LiteLLMUnknownProvider": CONFIGURATION,
    "MockException": BAD_RESPONSE,
    "ModelNotMappedError": CONFIGURATION,
    "ModifyResponseException": BAD_RESPONSE,
    "NotFoundError": CONFIGURATION,
    "OpenAIError": SERVER_ERROR,
    "PermissionDeniedError": CREDENTIAL,
    "RejectedRequestError": FILTERED,
    "SensitiveDataRouteException": BAD_RESPONSE,
    "Timeout": Outcome(Fault.UNHEALTHY, "timeout"),
    "UnsupportedParamsError": CAPABILITY,
    "VectorStoreSearchError": BAD_RESPONSE,
}
MAPPED = frozenset(OUTCOMES) | frozenset(BY_TEXT)


def outcome_of(
    class_name: str,
    text: str = "",
    headers: Mapping[str, str] | None = None,
    credential: str = "",
    *,
    sent: bool = True,
) -> Outcome:
    """The outcome of an exception of litellm's, named by its class; an unknown one is a bad response.

    `sent` False: no byte has left, so the upstream's health is not in question, only whether litellm can put this
    request into the upstream's dialect. True: the upstream has answered with 200, so litellm's "invalid request" is
    about the answer.
    """
    outcome = OUTCOMES.get(class_name, BAD_RESPONSE)
    if class_name in BY_TEXT:
        body = orjson.dumps({"error": {"message": text}})
        outcome = classify.classify_status(BY_TEXT[class_name], headers or {}, body, credential)
    if not sent and outcome.fault in (Fault.UNHEALTHY, Fault.REQUEST, Fault.THROTTLED, Fault.QUOTA):
        return CAPABILITY
    if sent and outcome.word == "invalid_request":
        return BAD_RESPONSE
    return outcome
