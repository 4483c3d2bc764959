"""The register of scenarios, and the reading of a model name as one of them.

A model name is `scenario` or `scenario:setting=value,setting=value`; a value may be percent-encoded. A
scenario is a function from a `Call` to a script whose keyword arguments are its settings: their defaults give
the types, its docstring is its line in `--list`. Any other model name is answered as `ok`.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import unquote

from gateway.upstream.scripted.script import Call, Script

Scenario = TypeVar("Scenario", bound=Callable[..., Script])

_SCENARIOS: dict[str, Callable[..., Script]] = {}


class UnknownSetting(ValueError):
    """A scenario's name carries a setting which that scenario lacks, or a value that cannot be read."""


@dataclass(frozen=True, slots=True)
class Role:
    """One scenario with its settings: `play(call)` gives the script."""

    name: str
    scenario: Callable[..., Script]
    settings: dict[str, Any]

    def play(self, call: Call) -> Script:
        return self.scenario(call, **self.settings)


def scenario(function: Scenario) -> Scenario:
    """Register this function under its own name."""
    _SCENARIOS[function.__name__] = function
    return function


@lru_cache(maxsize=4096)
def cast(model: str) -> Role:
    """The role that a model name asks for. Raises UnknownSetting."""
    name, _, rest = model.partition(":")
    pairs = rest.split(",") if rest else []
    # `qwen2.5:14b` and even `tools:7b` are ordinary models: only `setting=value` makes a scenario of a name.
    if name not in _SCENARIOS or not all("=" in pair for pair in pairs):
        return Role("ok", _SCENARIOS["ok"], {})
    function = _SCENARIOS[name]
    return Role(name, function, _read_settings(name, function, pairs))


def _read_settings(name: str, function: Callable[..., Script], pairs: list[str]) -> dict[str, Any]:
    known, settings = settings_of(function), {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key not in known:
            legal = ", ".join(known) or "none"
            raise UnknownSetting(f"scenario {name!r} has no setting {key!r}; it has: {legal}")
        settings[key] = _read_value(name, key, unquote(value), known[key])
    return settings


def _read_value(name: str, key: str, text: str, default: Any) -> Any:
    try:
        return type(default)(text)
    except ValueError:
        kind = type(default).__name__
        raise UnknownSetting(f"scenario {name!r}: {key}={text!r} is not of type {kind}") from None


def settings_of(function: Callable[..., Script]) -> dict[str, Any]:
    """A scenario's settings with their defaults."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return {parameter.name: parameter.default for parameter in parameters}


def scenario_of(name: str) -> Callable[..., Script]:
    """The function that was registered under this name."""
    return _SCENARIOS[name]


def scenario_names() -> list[str]:
    return sorted(_SCENARIOS)


def describe_scenarios() -> str:
    """Every scenario with its settings, and what it does in one line."""
    lines = []
    for name in scenario_names():
        function = _SCENARIOS[name]
        settings = ",".join(f"{key}={value}" for key, value in settings_of(function).items())
        lines.append(f"{name}:{settings}" if settings else name)
        lines.append(f"    {(inspect.getdoc(function) or '').partition(chr(10))[0]}")
    return "\n".join(lines)
