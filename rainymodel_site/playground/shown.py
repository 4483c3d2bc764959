"""An answer of the gateway as the playground's page shows it without a script."""

from dataclasses import dataclass
from typing import Any

import orjson

from gateway.prompts.answers import Said, said_whole
from rainymodel_site.playground.runs import Answer

# Of the headers, which are shown, in this order, and what they are called.
ROUTE = {
    "x-rainymodel-upstream": "Provider",
    "x-rainymodel-model": "Model",
    "x-rainymodel-route": "Tier",
    "x-rainymodel-policy": "Policy",
    "x-rainymodel-attempts": "Attempts",
    "x-rainymodel-tried": "Tried before",
    "x-rainymodel-fallback-reason": "Because of",
    "x-rainymodel-latency-ms": "Milliseconds",
    "x-rainymodel-revision": "Catalogue revision",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One side: what was said or why nothing, and the way it took."""

    said: tuple[Said, ...]
    problem: str
    route: tuple[tuple[str, str], ...]
    request_id: str


def shown(answer: Answer) -> Shown:
    """The answer for the page."""
    body = loaded(answer.body)
    return Shown(
        said=tuple(said_whole(body)) if answer.status == 200 else (),
        problem="" if answer.status == 200 else problem_in(body, answer.status),
        route=tuple((title, answer.headers[name]) for name, title in ROUTE.items() if name in answer.headers),
        request_id=answer.headers.get("x-request-id", ""),
    )


def problem_in(body: dict[str, Any], status: int) -> str:
    """What the gateway said was wrong."""
    error = body.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return f"{status}: {message or 'nothing was answered'}"


def loaded(body: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for what is none."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
