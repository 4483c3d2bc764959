"""A backends.json (or models.json) as values: providers with their models and prefixes, other names, default models.

Two forms are read. The new one names its providers, the legacy one lists its backends:

    {"providers": {"openai": {"base_url": "https://…/v1", "api_key_env": "OPENAI_API_KEY", "models": ["gpt-4o"],
                              "model_prefixes": ["gpt-"]}},
     "model_aliases": {"best": "gpt-4o"}, "default_models": {"openai": "gpt-4o"}}

    {"backends": [{"name": "openai", "base_url": "https://…/v1", "api_key_env": "OPENAI_API_KEY",
                   "models": ["gpt-4o"], "prefixes": ["gpt-"]}],
     "aliases": {"best": "gpt-4o"}, "default_model": "gpt-4o"}

A value of the wrong type refuses the file; what has no counterpart is noted, never dropped in silence.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from routing.importers.errors import ImportRefused, shown
from routing.importers.litellm_left_out import LONGEST_LIMIT, NO_SETTING, LeftOut, number_in, section_of
from routing.importers.yaml_lines import Section, read_yaml

BACKENDS = ("providers", "backends")
ALIASES = ("model_aliases", "aliases")
DEFAULTS = ("default_models", "default_model")
ADDRESS = ("base_url", "api_base", "url")
PREFIXES = ("model_prefixes", "prefixes")
FIELDS = frozenset(
    {"name", "type", "api_key", "api_key_env", "headers", "models", "timeout", "enabled", *ADDRESS, *PREFIXES}
)
UPSTREAM = ("upstream", "model")
MODEL_FIELDS = frozenset({"name", "id", "description", *UPSTREAM})


@dataclass(frozen=True, slots=True)
class Name:
    """A name of the file, with its line; `target` is what a model is called upstream, or what a name stands for."""

    line: int
    name: str
    target: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Backend:
    """One provider of the file. `key` is the key itself or `${VARIABLE}`; `headers` map names to lines and values."""

    line: int
    name: str
    kind: str
    base_url: str
    key: str = field(repr=False)
    headers: Mapping[str, tuple[int, str]] = field(repr=False)
    models: tuple[Name, ...] = ()
    prefixes: tuple[Name, ...] = ()
    timeout: float | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class BackendsFile:
    """The whole file; `defaults` name providers (`default` where there is one for all) and their models."""

    backends: tuple[Backend, ...]
    aliases: tuple[Name, ...]
    defaults: tuple[Name, ...]
    left_out: tuple[LeftOut, ...] = ()


def read_backends(text: str) -> BackendsFile:
    """The file's content; raises ImportRefused in one sentence, with the line, when it cannot be used."""
    root = _read_json(text)
    section = next((name for name in BACKENDS if root.get(name)), None)
    if section is None:
        raise ImportRefused("it has neither providers nor backends.")
    left_out: list[LeftOut] = [
        LeftOut(root.line_of(name), shown(name), NO_SETTING)
        for name in root
        if name not in (section, *ALIASES, *DEFAULTS)
    ]
    backends = tuple(_backend(name, given, left_out) for name, given in _named(root, section))
    if not any(backend.models or backend.prefixes for backend in backends):
        raise ImportRefused("none of its providers has models or prefixes.", root.line_of(section))
    aliases = tuple(name for section in ALIASES for name in _pairs(section_of(root, section)))
    return BackendsFile(backends, aliases, tuple(_defaults(root)), tuple(left_out))


def _read_json(text: str) -> Section:
    """The root object, every object of it with its lines: JSON is read as the YAML that it also is."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise ImportRefused(f"this is not JSON: {error.msg.lower()}.", error.lineno) from None
    except (RecursionError, ValueError):
        raise ImportRefused("this is not JSON that can be read.") from None
    root = read_yaml(text.replace("\t", " "))  # a tab inside a string is written \t in JSON
    if not isinstance(root, Section):
        raise ImportRefused("this is no list of providers: it does not hold an object.")
    return root


def _named(root: Section, section: str) -> Iterator[tuple[str, Section]]:
    """The providers with their names, whether they are listed or named."""
    given, line = root[section], root.line_of(section)
    if isinstance(given, Section):
        pairs = list(given.items())
    elif isinstance(given, list):
        pairs = [(item.get("name") if isinstance(item, Section) else None, item) for item in given]
    else:
        raise ImportRefused(f"{section} must hold providers.", line)
    for name, item in pairs:
        if not isinstance(item, Section) or not isinstance(name, str) or not name.strip():
            raise ImportRefused(f"each of the {section} must be an object with a name.", line)
        yield name.strip(), item


def _backend(name: str, given: Section, left_out: list[LeftOut]) -> Backend:
    left_out += [
        LeftOut(given.line_of(key), f"{shown(name)}.{shown(key)}", NO_SETTING)
        for key in given
        if key not in FIELDS
    ]
    headers = section_of(given, "headers")
    return Backend(
        line=given.line,
        name=name,
        kind=_text(given, "type").lower(),
        base_url=next((url for key in ADDRESS if (url := _text(given, key))), ""),
        key=_key(name, given, left_out),
        headers={str(key): (headers.line_of(key), _text(headers, key)) for key in headers},
        models=tuple(_models(name, given, left_out)),
        prefixes=tuple(_prefixes(given)),
        timeout=_seconds(given),
        enabled=given.get("enabled") is not False,
    )


def _key(name: str, given: Section, left_out: list[LeftOut]) -> str:
    variable, literal = _text(given, "api_key_env"), _text(given, "api_key")
    if variable and literal:
        why = "api_key_env names the variable that holds the key"
        left_out.append(LeftOut(given.line_of("api_key"), f"{shown(name)}.api_key", why))
    return f"${{{variable.removeprefix('$')}}}" if variable else literal


def _models(name: str, given: Section, left_out: list[LeftOut]) -> Iterator[Name]:
    models, line = given.get("models") or [], given.line_of("models")
    if isinstance(models, Section):
        for key, value in models.items():
            yield _model(name, value, models.line_of(key), left_out, str(key))
    elif isinstance(models, list):
        for item in models:
            yield _model(name, item, item.line if isinstance(item, Section) else line, left_out)
    else:
        raise ImportRefused("models must be a list.", line)


def _model(owner: str, given: Any, line: int, left_out: list[LeftOut], key: str = "") -> Name:
    """A model given by its name alone, or as an object with the upstream's name for it."""
    if isinstance(given, str) and given.strip():
        return Name(line, key or given.strip(), given.strip())
    if not isinstance(given, Section):
        raise ImportRefused(f"each of {shown(owner)}'s models must be a name or an object.", line)
    upstream = next((text for field_name in UPSTREAM if (text := _text(given, field_name))), "")
    name = key or _text(given, "name") or _text(given, "id") or upstream
    if not name:
        raise ImportRefused(f"a model of {shown(owner)} has no name.", line)
    left_out += [
        LeftOut(given.line_of(word), f"{shown(owner)}, {shown(name)}.{shown(word)}", NO_SETTING)
        for word in given
        if word not in MODEL_FIELDS
    ]
    return Name(line, name, upstream or name, _text(given, "description"))


def _prefixes(given: Section) -> Iterator[Name]:
    for section in PREFIXES:
        prefixes = given.get(section) or []
        if not isinstance(prefixes, list) or not all(isinstance(prefix, str) for prefix in prefixes):
            raise ImportRefused(f"{section} must be a list of texts.", given.line_of(section))
        for prefix in prefixes:
            pattern = f"{prefix.strip().rstrip('*')}*"
            yield Name(given.line_of(section), pattern, pattern)


def _pairs(section: Section) -> Iterator[Name]:
    for name, target in section.items():
        if not isinstance(name, str) or not isinstance(target, str):
            raise ImportRefused("a name must stand for the name of a model.", section.line_of(name))
        yield Name(section.line_of(name), name.strip(), target.strip())


def _defaults(root: Section) -> Iterator[Name]:
    for section in DEFAULTS:
        given = root.get(section)
        if isinstance(given, str):
            yield Name(root.line_of(section), "default", given.strip())
        else:
            yield from _pairs(section_of(root, section))


def _text(section: Section, name: str) -> str:
    value = section.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ImportRefused(f"{shown(name)} must be text.", section.line_of(name))
    return value.strip()


def _seconds(section: Section) -> float | None:
    value = section.get("timeout")
    number = number_in(value)
    if value is not None and (number is None or number < 0.05):
        raise ImportRefused("timeout must be a number of seconds.", section.line_of("timeout"))
    return min(number, LONGEST_LIMIT) if number else None
