"""What `make run` prints when it serves: all that a newcomer needs to get a first answer."""

import json
from dataclasses import dataclass

NOT_SET = " is not set"


@dataclass(frozen=True, slots=True)
class ProviderState:
    """A provider of the catalogue: `missing` says why it cannot be used here, empty when it can."""

    slug: str
    missing: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the newcomer needs. `sign_in` is the path of a link that works once."""

    key: str
    sign_in: str
    providers: tuple[ProviderState, ...]


def banner(url: str, welcome: Welcome, *, demo: bool) -> str:
    """The address, the key, the admin link, the providers, and a line that works as pasted."""
    return "\n".join(
        [
            "",
            f"  RainyModel serves at {url}",
            "",
            f"  API key   {welcome.key}",
            f"  Admin     {url}{welcome.sign_in}",
            "            (signs you in once, within 30 minutes; the next start prints a new link)",
            "",
            *provider_lines(welcome.providers, demo=demo),
            "",
            "  Try it:",
            "",
            curl_line(url, welcome.key),
            "",
            "  Read on: README.md, docs/configuration.md, docs/runbook.md. Ctrl-C stops everything.",
            "",
        ]
    )


def provider_lines(providers: tuple[ProviderState, ...], *, demo: bool) -> list[str]:
    """Which providers can be used, and what each of the others lacks."""
    ready = [provider.slug for provider in providers if not provider.missing]
    lacking = [
        f"            {provider.slug:<17}{what_to_do(provider.missing)}"
        for provider in providers
        if provider.missing
    ]
    fallback = "demo, the built-in one, answers when no other can" if demo else ""
    said = "; ".join(part for part in (", ".join(ready), fallback) if part) or "none"
    return [f"  Providers {said}", *(["  Not in use:", *lacking] if lacking else [])]


def what_to_do(missing: str) -> str:
    """A variable to set, where that is all."""
    name = missing.partition(NOT_SET)[0]
    return f"set {name}" if NOT_SET in missing else missing


def curl_line(url: str, key: str) -> str:
    """A streamed chat completion."""
    body = {"model": "rainymodel/auto", "stream": True, "messages": [{"role": "user", "content": "Hello!"}]}
    return (
        f"curl -N {url}/v1/chat/completions -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d '{json.dumps(body, separators=(',', ':'))}'"
    )
