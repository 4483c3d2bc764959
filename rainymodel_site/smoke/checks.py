"""The questions, and what answer each of them expects."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rainymodel_site.smoke.client import Answer, Gateway

CHAT = "/v1/chat/completions"
PROMPT = "Reply with one word: ready"
NO_SUCH_MODEL = "no-such-model-for-a-smoke-test"
NO_SUCH_KEY = "sk-no-such-key-for-a-smoke-test"
LONGEST = 160


@dataclass(frozen=True, slots=True)
class Check:
    """One question's outcome. `upstream`, `model` and `tried` are the gateway's own words, empty where it says none."""

    name: str
    ok: bool
    milliseconds: int
    detail: str
    upstream: str = ""
    model: str = ""
    tried: str = ""

    def line(self) -> str:
        """The outcome as one line for a terminal."""
        who = " ".join(filter(None, (self.upstream, self.model)))
        after = f"after {self.tried}" if self.tried else ""
        said = "  ".join(filter(None, (who, after, self.detail)))
        return f"{'✓' if self.ok else '✗'} {self.name:<32} {self.milliseconds:>6} ms  {said}".rstrip()

    def as_json(self) -> dict[str, Any]:
        """The outcome as an object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Questions:
    """Which models to ask (none named: all that are listed), each layer of them or not, and what is forgiven."""

    models: tuple[str, ...] = ()
    layers: bool = False
    allow_unconfigured: bool = False


def run(gateway: Gateway, questions: Questions) -> Iterator[Check]:
    """Ask everything, one check after the other; ends early where nobody answers at all."""
    health = gateway.ask("/health")
    if health.status != 404:  # another gateway may have no such page
        yield _check("health", health, health.status == 200)
    if not health.status:
        return
    open_list = gateway.ask("/v1/models", key="")
    yield _check("models without a key", open_list, open_list.status == 401, expected=401)
    listed = gateway.ask("/v1/models")
    names = listed_models(listed)
    count = f"{len(names)} models" if names else "no list of models"
    yield _check("models", listed, listed.status == 200 and bool(names), count)
    yield from _chats(gateway, questions, questions.models or names)
    yield _unknown_model(gateway)
    wrong_key = gateway.ask(CHAT, _body((questions.models or names or ("any",))[0]), key=NO_SUCH_KEY)
    is_refused = wrong_key.status == 401 and wrong_key.error is not None
    yield _check("a wrong key", wrong_key, is_refused, expected=401)


def listed_models(answer: Answer) -> tuple[str, ...]:
    """The names in a list of models; patterns are no names that can be asked for."""
    data = answer.data
    entries = data.get("data") if isinstance(data, dict) else None
    names = [entry.get("id") for entry in entries or () if isinstance(entry, dict)]
    return tuple(name for name in names if isinstance(name, str) and "*" not in name)


def _chats(gateway: Gateway, questions: Questions, models: tuple[str, ...]) -> Iterator[Check]:
    """Each model in turn, then one of those that answered as a stream."""
    answered = ""
    providers = _providers(gateway) if questions.layers else ()
    for model in models:
        check = _chat(gateway, questions, model)
        yield check
        answered = answered or (model if check.ok and not check.detail else "")
        for provider in providers:
            yield from _layer(gateway, model, provider)
    if answered:
        yield _stream(gateway, answered)


def _chat(gateway: Gateway, questions: Questions, model: str) -> Check:
    answer = gateway.ask(CHAT, _body(model))
    if _is_not_set_up(answer):
        return Check(
            model, questions.allow_unconfigured, answer.milliseconds, f"not set up ({_said(answer)})"
        )
    return _check(model, answer, _has_text(answer), "" if answer.status != 200 else "no text in the answer")


def _layer(gateway: Gateway, model: str, provider: str) -> Iterator[Check]:
    """The model at one provider, where that is one of its layers."""
    answer = gateway.ask(CHAT, _body(model), X_RainyModel_Provider=provider)
    if answer.status != 400:
        yield _check(f"  {model} at {provider}"[:LONGEST], answer, _has_text(answer))


def _stream(gateway: Gateway, model: str) -> Check:
    answer = gateway.ask(CHAT, _body(model) | {"stream": True})
    events = [line[5:].strip() for line in answer.text.splitlines() if line.startswith("data:")]
    ends = bool(events) and events[-1] == "[DONE]" and len(events) > 1
    detail = "it does not end with [DONE]" if answer.status == 200 else ""
    return _check(f"{model}, streamed", answer, answer.status == 200 and ends, detail)


def _unknown_model(gateway: Gateway) -> Check:
    """404 in OpenAI's shape, except where a pattern such as * hands every name on to an upstream."""
    answer = gateway.ask(CHAT, _body(NO_SUCH_MODEL))
    if answer.headers.get("x-rainymodel-requested-model") and answer.status != 404:
        is_fine = answer.status == 200 or answer.error is not None
        detail = f"{answer.status}: a pattern hands every name on"
        return Check("an unknown model", is_fine, answer.milliseconds, detail)
    is_refused = answer.status == 404 and answer.error is not None
    return _check("an unknown model", answer, is_refused, expected=404)


def _providers(gateway: Gateway) -> tuple[str, ...]:
    data = gateway.ask("/v1/providers").data
    entries = data.get("data") if isinstance(data, dict) else None
    ready = [
        entry for entry in entries or () if isinstance(entry, dict) and entry.get("status") == "configured"
    ]
    return tuple(str(entry.get("id")) for entry in ready)


def _body(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}]}


def _has_text(answer: Answer) -> bool:
    """True for a chat completion with a choice that says something."""
    data = answer.data
    choices = data.get("choices") if answer.status == 200 and isinstance(data, dict) else None
    message = choices[0].get("message") if choices and isinstance(choices[0], dict) else None
    return isinstance(message, dict) and bool(message.get("content") or message.get("reasoning_content"))


def _is_not_set_up(answer: Answer) -> bool:
    error = answer.error or {}
    return answer.status == 503 and "set up" in str(error.get("message"))


def _check(name: str, answer: Answer, ok: bool, detail: str = "", *, expected: int = 200) -> Check:
    """What a failure was is said by the answer itself, else by `detail`; a success says `detail`."""
    if not ok and answer.status != expected:
        detail = _said(answer)
    elif not ok:
        detail = detail or "the answer is not in OpenAI's shape"
    elif answer.status == 200 and name != "models":
        detail = ""
    return Check(
        name,
        ok,
        answer.milliseconds,
        detail,
        upstream=_plain(answer.headers.get("x-rainymodel-upstream", "")) if answer.status == 200 else "",
        model=_plain(answer.headers.get("x-rainymodel-model", "")),
        tried=_plain(answer.headers.get("x-rainymodel-tried", "")),
    )


def _said(answer: Answer) -> str:
    message = (answer.error or {}).get("message", "")
    return answer.problem or " ".join(filter(None, (str(answer.status), _plain(str(message)))))


def _plain(text: str) -> str:
    """Safe for a terminal: one line, printable, not long."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:LONGEST]
