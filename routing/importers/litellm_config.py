"""A litellm configuration as values: what of it means something here, and the lines of all the rest.

A value of the wrong type refuses the file; a setting that has no counterpart is noted, never dropped in silence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from routing.importers.errors import ImportRefused
from routing.importers.litellm_left_out import LONGEST_LIMIT, LeftOut, left_out_of, number_in, section_of
from routing.importers.litellm_values import is_reference
from routing.importers.yaml_lines import Section, read_yaml


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One entry of `model_list`; `order` is its place among the entries of its name, where it states one."""

    line: int
    name: str
    model: str
    api_base: str = ""
    api_key: str = field(default="", repr=False)
    provider: str = ""
    timeout: float | None = None
    description: str = ""
    tier: str = ""
    order: int | None = None
    mode: str = ""
    key_name: str = ""


@dataclass(frozen=True, slots=True)
class GroupAlias:
    """One entry of `model_group_alias`: another name for a name of the list."""

    line: int
    name: str
    target: str
    listed: bool = True


@dataclass(frozen=True, slots=True)
class LitellmConfig:
    """The whole file. Times are seconds; None: the file does not say."""

    entries: tuple[ModelEntry, ...]
    aliases: tuple[GroupAlias, ...]
    open_after: int | None
    open_for: float | None
    timeout: float | None
    master_key: str = field(repr=False)
    left_out: tuple[LeftOut, ...] = ()


def read_config(text: str) -> LitellmConfig:
    """The file's content; raises ImportRefused in one sentence, with the line, when it cannot be used."""
    root = read_yaml(text)
    if not isinstance(root, Section):
        raise ImportRefused("this is no litellm configuration: it does not hold sections such as model_list.")
    models = root.get("model_list")
    if not isinstance(models, list) or not models:
        raise ImportRefused("it has no model_list, or an empty one.", root.lines.get("model_list"))
    router, library, general = (
        section_of(root, name) for name in ("router_settings", "litellm_settings", "general_settings")
    )
    allowed_fails = _whole(router, "allowed_fails", "router_settings")
    timeout = _seconds(router, "timeout", "router_settings")
    return LitellmConfig(
        entries=tuple(
            _entry(item, root.line_of("model_list"), position)
            for position, item in enumerate(models, start=1)
        ),
        aliases=tuple(_group_aliases(router)),
        open_after=None
        if allowed_fails is None
        else allowed_fails + 1,  # so many may fail; the next one opens
        open_for=_seconds(router, "cooldown_time", "router_settings"),
        timeout=_seconds(library, "request_timeout", "litellm_settings") if timeout is None else timeout,
        master_key=str(general.get("master_key") or ""),
        left_out=tuple(left_out_of(root, models)),
    )


def _entry(item: Any, list_line: int, position: int) -> ModelEntry:
    if not isinstance(item, Section):
        raise ImportRefused(f"entry {position} of model_list is not a mapping.", list_line)
    params, info = section_of(item, "litellm_params"), section_of(item, "model_info")
    if not params:
        raise ImportRefused("the entry has no litellm_params.", item.line)
    order = _whole(info, "fallback_order", "model_info")
    return ModelEntry(
        line=item.line,
        name=_text(item, "model_name", "the entry", required=True),
        model=_text(params, "model", "litellm_params", required=True),
        api_base=_text(params, "api_base", "litellm_params") or _text(params, "base_url", "litellm_params"),
        api_key=_text(params, "api_key", "litellm_params"),
        provider=_text(params, "custom_llm_provider", "litellm_params"),
        timeout=_seconds(params, "timeout", "litellm_params"),
        description=_text(info, "description", "model_info"),
        tier=_text(info, "tier", "model_info").lower(),
        order=_whole(params, "order", "litellm_params") if order is None else order,
        mode=_text(info, "mode", "model_info"),
        key_name=_text(params, "litellm_credential_name", "litellm_params"),
    )


def _group_aliases(router: Section) -> Iterator[GroupAlias]:
    aliases = section_of(router, "model_group_alias")
    for name, given in aliases.items():
        line = aliases.line_of(name)
        target = given.get("model") if isinstance(given, Mapping) else given
        if not isinstance(name, str) or not isinstance(target, str):
            raise ImportRefused("model_group_alias must name models: {other name: name}.", line)
        yield GroupAlias(
            line, name, target, listed=not (isinstance(given, Mapping) and given.get("hidden") is True)
        )


def _text(section: Section, name: str, where: str, *, required: bool = False) -> str:
    value = section.get(name)
    if isinstance(value, str) and (value.strip() or not required):
        return value.strip()
    if value is None and not required:
        return ""
    if required and (value is None or isinstance(value, str)):
        raise ImportRefused(f"{where} has no {name}.", section.line_of(name))
    raise ImportRefused(f"{name} must be text; put it in quotes.", section.line_of(name))


def _whole(section: Section, name: str, where: str) -> int | None:
    value = section.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
        raise ImportRefused(f"{where}.{name} must be a whole number from 0 to 1000.", section.line_of(name))
    return value


def _seconds(section: Section, name: str, where: str) -> float | None:
    """A time in seconds; None also for what `left_out_of` reports as not carried over."""
    value = section.get(name)
    if value is None or (isinstance(value, str) and is_reference(value)):
        return None
    number = number_in(value)
    if number is None or (number and number < 0.05):
        raise ImportRefused(f"{where}.{name} must be a number of seconds.", section.line_of(name))
    return min(number, LONGEST_LIMIT) or None
