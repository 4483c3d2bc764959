"""What one deployment is asked for one request: the client's own words where it speaks them, else a chat completion."""

from typing import Any

from gateway.dialects.dialect import ModelRequest
from gateway.exchange import Exchange
from gateway.upstream.wire import UpstreamCall
from routing.engine.snapshot import Deployment

# Headers of the client that belong to its dialect and travel with a relayed request: name → what is sent without it.
DIALECT_HEADERS = {"messages": {b"anthropic-version": "2023-06-01", b"anthropic-beta": ""}}


def upstream_call(exchange: Exchange, deployment: Deployment, limit: float) -> UpstreamCall:
    """The call of one attempt; `limit` is the seconds it may take to the first content."""
    request = exchange.request
    spoken = spoken_dialect(request, deployment)
    payload, left_out = said_in(request, spoken, deployment)
    return UpstreamCall(
        deployment=deployment,
        dialect=spoken,
        payload=payload,
        stream=request.stream,
        credential=exchange.credentials.get(deployment.provider.slug),
        first_content_limit=limit,
        headers=dialect_headers(exchange, spoken),
        left_out=left_out,
    )


def spoken_dialect(request: ModelRequest, deployment: Deployment) -> str:
    """The client's dialect where the deployment speaks it, else chat."""
    return request.dialect if request.dialect in deployment.dialects else "chat"


def said_in(
    request: ModelRequest, spoken: str, deployment: Deployment
) -> tuple[dict[str, Any], dict[str, str]]:
    """The payload in the spoken dialect, and the client's fields that it lacks."""
    if spoken == request.dialect:
        return request.payload, {}
    assert request.chat is not None  # the plan holds no deployment that would need what there is not
    if not request.hints or "reasoning" in deployment.capabilities:
        return request.chat, request.left_out
    dropped = {name: "" for name in request.hints if name in request.chat}
    payload = {name: value for name, value in request.chat.items() if name not in dropped}
    return payload, {**request.left_out, **dropped}


def dialect_headers(exchange: Exchange, spoken: str) -> tuple[tuple[str, str], ...]:
    """The client's headers that the spoken dialect knows."""
    names = DIALECT_HEADERS.get(spoken)
    if names is None:
        return ()
    given = ((name.decode(), exchange.call.header(name) or default) for name, default in names.items())
    return tuple((name, value) for name, value in given if value)
