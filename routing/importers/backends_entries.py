"""A backends.json as the entries that a litellm configuration would have: from there on, both become rows the same way.

A name is found as the old router found it: an alias first, then the exact model, then by its beginning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from routing.engine.names import captured
from routing.importers.backends_file import Backend, BackendsFile, Name
from routing.importers.backends_headers import Headers, read_headers
from routing.importers.errors import shown
from routing.importers.litellm_config import LitellmConfig, ModelEntry
from routing.importers.litellm_vendors import VENDORS
from routing.importers.report import Report

# How providers are called in such files → litellm's name of them.
KINDS = {
    "claude": "anthropic",
    "google": "gemini",
    "hf": "huggingface",
    "grok": "xai",
    "together": "together_ai",
}
TRANSLATED_HOSTS = {"api.anthropic.com": "anthropic", "generativelanguage.googleapis.com": "gemini"}
SPEAKS_OPENAI = "custom_openai"
CHAT_PATH = "/chat/completions"
MOST_STEPS = 10  # from one alias to the next

Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Carried:
    """The entries as a configuration, and the extra headers of the providers that they are at."""

    config: LitellmConfig
    headers: Mapping[Place, Mapping[str, str]] = field(repr=False)

    def headers_for(self, entry: ModelEntry) -> Mapping[str, str]:
        """The extra headers of the entry's provider."""
        return self.headers[_place(entry)]


def carry(file: BackendsFile, report: Report) -> Carried:
    """Every name of the file with its entries; the report has the providers and names that lead nowhere."""
    found: dict[str, list[ModelEntry]] = {}
    headers: dict[Place, Mapping[str, str]] = {}
    for backend in file.backends:
        if not backend.enabled:
            report.say("not_carried", f"{shown(backend.name)}: it is switched off.", backend.line)
            continue
        kind = kind_of(backend)
        read = read_headers(
            backend, litellm_wire=kind in VENDORS and VENDORS[kind].wire == "litellm", report=report
        )
        for name in (*backend.models, *backend.prefixes):
            entry = _entry(backend, kind, name, read)
            found.setdefault(entry.name, []).append(entry)
            headers[_place(entry)] = read.extra
    others = list(_other_names(file, found, report))
    replaced = {entry.name for entry in others}
    own = [entry for name, entries in found.items() if name not in replaced for entry in entries]
    return Carried(LitellmConfig((*own, *others), (), None, None, None, "", file.left_out), headers)


def kind_of(backend: Backend) -> str:
    """litellm's name of the provider: by its address, else by its type or name, else OpenAI-shaped."""
    parts = urlsplit(backend.base_url)
    named = KINDS.get(backend.kind or backend.name.lower(), backend.kind or backend.name.lower())
    translated = TRANSLATED_HOSTS.get(parts.hostname or "")
    if translated:
        return SPEAKS_OPENAI if "/openai" in parts.path else translated
    if named in VENDORS and (not backend.base_url or VENDORS[named].wire == "litellm"):
        return named
    return SPEAKS_OPENAI if backend.base_url else named


def _entry(backend: Backend, kind: str, name: Name, read: Headers) -> ModelEntry:
    return ModelEntry(
        line=name.line,
        name=name.name,
        model=name.target,
        api_base=backend.base_url.rstrip("/").removesuffix(CHAT_PATH),
        api_key=read.key,
        provider=kind,
        timeout=backend.timeout,
        description=name.description,
    )


def _place(entry: ModelEntry) -> Place:
    return entry.provider, entry.api_base, entry.api_key


def _other_names(
    file: BackendsFile, found: Mapping[str, list[ModelEntry]], report: Report
) -> Iterator[ModelEntry]:
    """The entries of aliases and default models: those of what they stand for, under another name."""
    aliases = {alias.name: alias.target for alias in file.aliases}
    for name in file.aliases:
        if name.name != name.target or name.name not in found:
            yield from _renamed(name, "alias", aliases, found, report)
    for name in file.defaults:
        if name.name in aliases or name.name in found:
            what = f"default_models.{shown(name.name)}: the file has another meaning of this name."
            report.say("not_carried", what, name.line)
            continue
        entries = list(_renamed(name, "default model of", aliases, found, report))
        if entries:
            what = f"The model {shown(name.name)} is the file's default model, {shown(name.target)}."
            report.say("remarks", what, name.line)
        yield from entries


def _renamed(
    name: Name,
    kind: str,
    aliases: Mapping[str, str],
    found: Mapping[str, list[ModelEntry]],
    report: Report,
) -> Iterator[ModelEntry]:
    entries = _leading_to(_end_of(name.target, aliases), found)
    if not entries:
        what = f"{kind} {shown(name.name)}: the file has no model and no prefix for {shown(name.target)}."
        report.say("not_carried", what, name.line)
    for entry in entries:
        yield replace(entry, line=name.line, name=name.name)


def _end_of(target: str, aliases: Mapping[str, str]) -> str:
    """Where a name ends that stands for a name that stands for … ; a circle ends somewhere in it."""
    for _ in range(MOST_STEPS):
        target = aliases.get(target, target)
    return target


def _leading_to(model: str, found: Mapping[str, list[ModelEntry]]) -> list[ModelEntry]:
    """The entries of the model, else those of the longest beginning, with the model in them."""
    if model in found:
        return found[model]
    patterns = sorted((name for name in found if "*" in name), key=len, reverse=True)
    pattern = next((name for name in patterns if captured(name, model) is not None), None)
    return [replace(entry, model=model) for entry in found[pattern]] if pattern else []
