"""What the request log's filters offer: names of the catalogue and of keys, never read from the log itself."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from accounts.models import ApiKey
from gateway.log_fields import ENDPOINTS, STATES_OFFERED, YES_NO
from gateway.log_filter import SPANS, LogFilter, read_moment
from gateway.narrative import reason_words
from gateway.visible import visible_line
from routing.engine.outcome import FALLBACK_WORDS
from routing.lookups import catalogue_names

MOST_OFFERED = 500
# The codes that requests end in; any other can be typed into the address.
ERROR_CODES = (
    "all_upstreams_failed",
    "capability_not_supported",
    "concurrency_limit",
    "content_filter",
    "context_length_exceeded",
    "draining",
    "insufficient_quota",
    "internal_error",
    "invalid_request",
    "invalid_value",
    "limits_unavailable",
    "model_not_allowed",
    "model_not_found",
    "no_healthy_upstream",
    "rate_limit_exceeded",
    "request_over_token_limit",
    "upstream_broken",
    "upstream_rate_limited",
    "upstream_timeout",
)
Choice = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Control:
    """One control of the form. `kind`: `select` offers only `choices`, `text` also proposes them, as does `number`."""

    name: str
    title: str
    kind: str
    value: str
    choices: tuple[Choice, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """Controls that belong together."""

    title: str
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True)
class Filled:
    """Makes controls that hold what is wanted now."""

    wanted: LogFilter

    def select(self, name: str, title: str, choices: Iterable[Choice]) -> Control:
        """One of these; a value that is not among them is offered too while it is set."""
        value = self.wanted.value(name)
        return Control(name, title, "select", value, with_given(choices, value))

    def text(self, name: str, title: str, hint: str = "", choices: Iterable[Choice] = ()) -> Control:
        """Anything; `choices` are proposed."""
        return Control(name, title, "text", self.wanted.value(name), tuple(choices), hint)

    def number(self, name: str, title: str, hint: str = "") -> Control:
        """A number."""
        return Control(name, title, "number", self.wanted.value(name), (), hint)

    def moment(self, name: str, title: str) -> Control:
        """A moment in the viewer's zone."""
        given = self.wanted.value(name)
        value = f"{timezone.localtime(read_moment(name, given)):%Y-%m-%dT%H:%M:%S}" if given else ""
        return Control(name, title, "moment", value)


def control_groups(wanted: LogFilter) -> tuple[ControlGroup, ...]:
    """The form's controls, filled with what is wanted now."""
    filled = Filled(wanted)
    return (
        ControlGroup("When", when(filled)),
        ControlGroup("Where it went", where(filled)),
        ControlGroup("How it went", how(filled)),
        ControlGroup("Who and what", who(filled)),
    )


def when(filled: Filled) -> tuple[Control, ...]:
    """Controls of the time."""
    return (
        filled.select("last", "Time", [(name, title) for name, (title, _) in SPANS.items()]),
        filled.moment("from", "From"),
        filled.moment("to", "To"),
    )


def where(filled: Filled) -> tuple[Control, ...]:
    """Controls of the way through the catalogue."""
    known = catalogue_names()
    return (
        filled.select("alias", "Alias", named(known.aliases)),
        filled.select("policy", "Policy", named(known.policies)),
        filled.select("tier", "Tier", named(known.tiers)),
        filled.select("provider", "Provider", named(known.providers)),
        filled.select("deployment", "Deployment", named(known.deployments)),
        filled.number("revision", "Catalogue revision"),
    )


def how(filled: Filled) -> tuple[Control, ...]:
    """Controls of what came of it."""
    return (
        filled.select("state", "State", STATES_OFFERED.items()),
        filled.number("status", "Status", "such as 502"),
        filled.select("fallback", "Fallback", YES_NO.items()),
        filled.select("reason", "Fallback reason", [(word, reason_words(word)) for word in FALLBACK_WORDS]),
        filled.text("error", "Error code", choices=[(code, "") for code in ERROR_CODES]),
        filled.number("slow", "Slower than (ms)", "the whole request"),
        filled.number("slow_first", "First content after (ms)"),
        filled.number("cost", "Dearer than (USD)", "such as 0.05"),
    )


def who(filled: Filled) -> tuple[Control, ...]:
    """Controls of who asked, and for what."""
    return (
        filled.text("key", "Key", "id, or how its label begins", key_labels()),
        filled.text("user", "User", "name, e-mail or id"),
        filled.text("end_user", "End user"),
        filled.text("model", "Model asked for"),
        filled.select("stream", "Answer as", (("yes", "Stream"), ("no", "JSON"))),
        filled.select("endpoint", "Endpoint", [(path, f"/v1/{path}") for path in ENDPOINTS]),
    )


def named(names: Iterable[str]) -> list[Choice]:
    """Names that are offered as they are."""
    return [(name, name) for name in names]


def key_labels() -> list[Choice]:
    """The labels of keys, the newest keys first."""
    newest = ApiKey.objects.order_by("-pk").values_list("label", flat=True)[:MOST_OFFERED]
    return [(label, "") for label in dict.fromkeys(newest)]


def with_given(choices: Iterable[Choice], given: str) -> tuple[Choice, ...]:
    """The choices, and what the address asks for beside them: a name that the catalogue has no more."""
    offered = tuple(choices)
    if not given or any(value == given for value, _ in offered):
        return offered
    return (*offered, (given, visible_line(given)))
