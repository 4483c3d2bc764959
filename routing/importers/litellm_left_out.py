"""Which settings of a litellm configuration mean something here, and why each of the others does not."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from routing.importers.errors import ImportRefused, shown
from routing.importers.litellm_values import is_reference
from routing.importers.yaml_lines import Section

LONGEST_LIMIT = 3600.0  # seconds; what a provider's and a deployment's limits may be
NO_SETTING = "there is no such setting here"
FIELDS = {
    "litellm_params": {"model", "api_base", "base_url", "api_key", "custom_llm_provider", "timeout", "order",
                       "litellm_credential_name"},
    "model_info": {"description", "tier", "fallback_order", "mode"},
    "router_settings": {"allowed_fails", "cooldown_time", "timeout", "model_group_alias"},
    "litellm_settings": {"request_timeout"},
    "general_settings": set(),
}  # fmt: skip
TIMES = frozenset({"timeout", "request_timeout", "cooldown_time"})
TRIED_ONCE = "a deployment is tried once per request, then the next one is"
NO_CALLBACKS = "there are no callbacks; the request log records every call"
NO_FALLBACKS = "put the routes into the alias instead, in their order"
NO_DEFAULTS = "clients send their own; nothing is added to a request"
KEY_LIMITS = "limits belong to API keys here"
WHY = {
    "num_retries": TRIED_ONCE,
    "max_retries": TRIED_ONCE,
    "retry_after": TRIED_ONCE,
    "retry_policy": TRIED_ONCE,
    "callbacks": NO_CALLBACKS,
    "success_callback": NO_CALLBACKS,
    "failure_callback": NO_CALLBACKS,
    "fallbacks": NO_FALLBACKS,
    "default_fallbacks": NO_FALLBACKS,
    "context_window_fallbacks": NO_FALLBACKS,
    "content_policy_fallbacks": NO_FALLBACKS,
    "fallback_reason": "there is no field for it; the order of the routes is kept",
    "drop_params": "parameters are passed on; a deployment's parameter policy renames or drops them",
    "additional_drop_params": "enter them in the deployment's parameter policy",
    "max_tokens": NO_DEFAULTS,
    "temperature": NO_DEFAULTS,
    "top_p": NO_DEFAULTS,
    "rpm": KEY_LIMITS,
    "tpm": KEY_LIMITS,
    "weight": "enter it at the alias's route; it counts where a policy says weighted",
    "routing_strategy": "policies decide the order",
    "database_url": "set DATABASE_URL",
    "extra_headers": "enter them on the provider's page, if they hold no secret",
    "master_key": "never stored; RAINYMODEL_MASTER_KEY holds the operator's key, LITELLM_MASTER_KEY a service key",
    "environment_variables": "set them in the environment",
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A setting that is not carried over, by its path in the file."""

    line: int
    what: str
    why: str


def left_out_of(root: Section, models: list[Section]) -> Iterator[LeftOut]:
    """Every setting of the file that nothing here reads."""
    for name in root:
        if name != "model_list" and name not in FIELDS:
            yield _unread(root, name, "")
    for name in ("router_settings", "litellm_settings", "general_settings"):
        yield from _unread_in(root, name)
    for item in models:
        for name in item:
            if name != "model_name" and name not in FIELDS:
                yield _unread(item, name, "")
        for name in ("litellm_params", "model_info"):
            yield from _unread_in(item, name)


def _unread_in(parent: Section, name: str) -> Iterator[LeftOut]:
    section = section_of(parent, name)
    for key, value in section.items():
        if key not in FIELDS[name]:
            yield _unread(section, key, f"{name}.")
        elif key in TIMES and (why := _time_left_out(value)):
            yield LeftOut(section.line_of(key), f"{name}.{key}", why)


def _unread(section: Section, key: Any, path: str) -> LeftOut:
    why = NO_SETTING if not isinstance(key, str) else WHY.get(key, NO_SETTING)
    return LeftOut(section.line_of(key), f"{path}{shown(key)}", why)


def _time_left_out(value: Any) -> str:
    if isinstance(value, str) and is_reference(value):
        return "it names a variable; write the number itself"
    number = number_in(value)
    if number == 0:
        return "0 means none, and here there always is one"
    return f"cut to {LONGEST_LIMIT:.0f} s, the most there is" if number and number > LONGEST_LIMIT else ""


def number_in(value: Any) -> float | None:
    """The number, also where it is written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def section_of(parent: Section, name: str) -> Section:
    """The section of that name; an empty one when it is not there."""
    value = parent.get(name)
    if value is None:
        return Section()
    if not isinstance(value, Section):
        raise ImportRefused(f"{name} must be a mapping.", parent.line_of(name))
    return value
