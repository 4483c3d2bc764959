"""One tiny request to a deployment, through the wire that serves real ones."""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import AttemptFailed
from gateway.messages import WORDS
from gateway.upstream.classify import timed_out
from gateway.upstream.wire import Completion, UpstreamCall, Wire
from rainymodel_site.console.catalogue import Draft
from rainymodel_site.console.reach import forget_troubles, wires_here
from routing.engine.outcome import Outcome
from routing.engine.snapshot import Deployment

PROMPT, MOST_TOKENS = "Say OK.", 16
# The dialects in the order of preference.
PAYLOADS: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": MOST_TOKENS},
    "completions": {"prompt": PROMPT, "max_tokens": MOST_TOKENS},
    "responses": {"input": PROMPT, "max_output_tokens": MOST_TOKENS},
    "messages": {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": MOST_TOKENS},
    "embeddings": {"input": "OK"},
}
PATTERN = "its model name holds a *, so there is no one model to ask"
LONGEST_WAIT = 90.0
SHOWN = 80
MOST_AT_ONCE = 20
ADVICE = {
    "timeout": "A model that is still loading answers later: try again, or raise the limit for the first content.",
    "connection_error": "Check the base URL, and that the service is up and its address allowed.",
    "rate_limited": "Try again in a minute.",
    "quota_exhausted": "Top the account up, or wait until the provider's window ends.",
    "credential_refused": "Check the credential on the provider's page.",
    "configuration": "Check the base URL and the model's name; Discover models shows the names that the provider has.",
    "server_error": "Try again later; the fault is at the provider.",
    "bad_response": "Check that the base URL speaks OpenAI's API; most end with /v1.",
    "capability": "Check the deployment's dialects and its parameter policy.",
    "invalid_request": "Check the model's name and the parameter policy.",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What one try came to: a sentence, what to do when it failed, and how the answer began.

    Where nothing was `tried` the sentence says why, and `worked` is False.
    """

    deployment: str
    worked: bool
    story: str
    advice: str = ""
    said: str = ""
    tried: bool = True


def tiny_call(deployment: Deployment, credential: str | None) -> UpstreamCall:
    """The smallest request that the deployment can answer."""
    dialect, payload = tiny_payload(deployment.dialects)
    return UpstreamCall(
        deployment=deployment,
        dialect=dialect,
        payload={"model": deployment.model, **payload},
        stream=False,
        credential=credential,
        first_content_limit=min(deployment.limits.first_content, LONGEST_WAIT),
    )


def tiny_payload(dialects: Collection[str]) -> tuple[str, dict[str, Any]]:
    """One of these dialects, and a tiny request in it."""
    dialect = next((word for word in PAYLOADS if word in dialects), "chat")
    return dialect, PAYLOADS[dialect]


async def try_all(draft: Draft, deployments: Iterable[Deployment]) -> list[Trial]:
    """Try several at once, each as it can be called from here; a line for each, in the order given."""
    async with wires_here() as wires:
        return await asyncio.gather(*(try_one(draft, one, wires) for one in deployments))


async def try_one(draft: Draft, deployment: Deployment, wires: Mapping[str, Wire]) -> Trial:
    """Try one deployment, or say why it cannot be called from here."""
    owner = deployment.provider
    if problem := draft.problems[owner.slug] or _cannot_be_tried(deployment):
        return _not_called(deployment, problem, _missing_advice(problem))
    wire = wires.get(owner.wire)
    if wire is None:
        return _not_called(deployment, f"the {owner.wire} wire is not built in")
    began = time.monotonic()
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            completion = await wire.complete(tiny_call(deployment, draft.credentials.get(owner.slug)))
    except AttemptFailed as error:
        return _failed(deployment, error.outcome)
    except TimeoutError:
        return _failed(deployment, timed_out())
    forget_troubles(deployment)
    return _answered(deployment, completion, time.monotonic() - began)


def _cannot_be_tried(deployment: Deployment) -> str:
    return PATTERN if "*" in deployment.model else ""


def _not_called(deployment: Deployment, why: str, advice: str = "") -> Trial:
    return Trial(deployment.slug, False, f"Not called: {why.rstrip('.')}.", advice, tried=False)


def _missing_advice(problem: str) -> str:
    if problem == PATTERN:
        return "Test a deployment that names a model."
    return "Mend that on the provider's page or in the environment, then test again."


def _failed(deployment: Deployment, outcome: Outcome) -> Trial:
    """The outcome in plain words, and what to do about it."""
    word, status = outcome.word, f" (status {outcome.status})" if outcome.status else ""
    said = f" It said: {outcome.detail}" if outcome.detail else ""
    label = deployment.provider.slug
    if word == "content_filter":
        return Trial(
            deployment.slug, True, f"{label} answered, but its content filter refused the prompt.{said}"
        )
    story = f"{label} {WORDS.get(word, 'refused the request')}{status}.{said}"
    return Trial(deployment.slug, False, story, ADVICE.get(word, ""))


def _answered(deployment: Deployment, completion: Completion, seconds: float) -> Trial:
    usage = completion.usage or {}
    tokens = usage.get("total_tokens")
    counted = f", {tokens} tokens" if isinstance(tokens, int) else ""
    story = f"{deployment.provider.slug} answered in {seconds * 1000:.0f} ms{counted}."
    return Trial(deployment.slug, True, story, said=first_words(completion.body))


def first_words(body: Mapping[str, Any]) -> str:
    """How the answer begins, whatever its shape; a vector is told by its length."""
    text = _text(body).strip()
    return f"{text[:SHOWN]}…" if len(text) > SHOWN else text


def _text(body: Mapping[str, Any]) -> str:
    match body:
        case {"choices": [{"message": {"content": str(text)}}, *_]} | {"choices": [{"text": str(text)}, *_]}:
            return text
        case {"data": [{"embedding": list(vector)}, *_]}:
            return f"a vector of {len(vector)} numbers"
        case {"data": [{"embedding": str()}, *_]}:
            return "a vector"
        case {"content": [{"text": str(text)}, *_]}:
            return text
        case {"output": [*items]}:
            return " ".join(_text(item) for item in items if isinstance(item, dict))
    return ""
