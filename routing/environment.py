"""What a worker knows beside the document: the environment's URL variables, credentials and wires.

The same document therefore means different things in two places: a provider whose credential is set here is
ready here. Nothing of this is ever published or stored.
"""

import ipaddress
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from rainymodel_site import env
from routing.addresses import (
    PORTS,
    URL_VARIABLES,
    AllowedUpstreams,
    BadTemplate,
    address_problem,
    expand,
    host_of,
    read_allowed,
    split_url,
    variables_in,
)

WIRES = frozenset({"openai", "litellm"})
DEMO_VARIABLE = "RAINYMODEL_DEMO_URL"
# Where a credential of the catalogues that come along may go. A URL variable stands for the host of its URL.
STARTING_PAIRS = (
    ("HF_TOKEN", "router.huggingface.co"),
    ("OLLAMAFREE_API_KEY", "OLLAMAFREE_API_BASE"),
    ("OLLAMA_API_KEY", "OLLAMA_PRIMARY_URL"),
    ("OLLAMA_API_KEY", "OLLAMA_SECONDARY_URL"),
    ("DEEPSEEK_API_KEY", "api.deepseek.com"),
    ("OPENAI_API_KEY", "api.openai.com"),
    ("XAI_API_KEY", "api.x.ai"),
    ("GEMINI_API_KEY", "generativelanguage.googleapis.com"),
    ("ANTHROPIC_API_KEY", "api.anthropic.com"),
    ("OPENROUTER_API_KEY", "openrouter.ai"),
    ("GROQ_API_KEY", "api.groq.com"),
    ("CHAT_AUTO_API_KEY", "CLIPROXY_API_BASE"),
    ("NEW_API_KEY", "NEW_API_BASE"),
    ("ARK_API_KEY", "ARK_API_BASE"),
)
# Where litellm sends a request of these prefixes when no base URL is given.
LITELLM_HOSTS = {"gemini/": "generativelanguage.googleapis.com", "anthropic/": "api.anthropic.com"}
MARK_KEY = secrets.token_bytes(32)  # of this process: marks mean nothing outside it

Secrets = Mapping[tuple[str, str], str | None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A worker's environment, read once.

    `urls` holds the URL variables that are set, `variables` the credential variables that are set, `pairs`
    the hosts each may go to. `secrets` holds the sealed credentials by provider slug and address, None
    where one does not open. `demo_url` is the demonstration upstream, in development only.
    """

    mode: str = env.PRODUCTION
    urls: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    pairs: frozenset[tuple[str, str]] = frozenset()
    secrets: Secrets = field(default_factory=dict, repr=False)
    wires: frozenset[str] = WIRES
    allowed: AllowedUpstreams = AllowedUpstreams()
    demo_url: str | None = None

    def with_secrets(self, secrets: Secrets) -> "Surroundings":
        """The same surroundings with these opened secrets."""
        return replace(self, secrets=secrets)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a provider can be called from here: the reason word (None: ready), and why in a sentence."""

    unready: str | None
    why: str


def read_surroundings(environ: Mapping[str, str] = os.environ) -> Surroundings:
    """The surroundings of a process with this environment; raises ConfigurationError naming the variable."""
    mode = env.mode(environ)
    urls = {name: url for name in URL_VARIABLES if (url := _url_variable(name, environ))}
    pairs = _read_pairs(environ, urls)
    is_development = mode == env.DEVELOPMENT
    return Surroundings(
        mode=mode,
        urls=urls,
        variables={name: value for name, _ in pairs if (value := _credential(name, environ))},
        pairs=pairs,
        allowed=read_allowed(environ, loopback=is_development),
        demo_url=_demo_url(environ) if is_development else None,
    )


def address_of(provider: Mapping[str, Any], surroundings: Surroundings) -> str:
    """What a provider's secret is bound to: its expanded base URL, else its litellm prefix."""
    return expand(provider["base_url"], surroundings.urls) or provider["litellm_prefix"]


def readiness(provider: Mapping[str, Any], surroundings: Surroundings) -> Readiness:
    """Whether this worker can call the provider, given as its entry in a document."""
    if not provider["enabled"]:
        return Readiness("disabled", "disabled")
    if provider["wire"] not in surroundings.wires:
        return Readiness("wire_unavailable", f"the {provider['wire']} wire is not built in")
    if missing := _missing_url_variable(provider, surroundings):
        return Readiness("no_credential", f"in development only with {missing} set")
    state = _credential_readiness(provider, surroundings)
    if state.unready is None and (problem := _address_refusal(provider, surroundings)):
        return Readiness("address_refused", problem.rstrip("."))
    return state


def access_mark(provider: Mapping[str, Any], surroundings: Surroundings) -> str:
    """A word that changes with the provider's address, headers or credential here, and tells none of them."""
    parts = [provider["wire"], address_of(provider, surroundings), _secret_of(provider, surroundings) or ""]
    text = json.dumps([*parts, sorted(provider["extra_headers"].items())])
    return blake2b(text.encode(), key=MARK_KEY, digest_size=12).hexdigest()


def credentials(document: Mapping[str, Any], surroundings: Surroundings) -> dict[str, str]:
    """Provider slug → secret, for the providers of the document that have one here."""
    found = ((entry["slug"], _secret_of(entry, surroundings)) for entry in document["providers"])
    return {slug: secret for slug, secret in found if secret}


def address_warning(provider: Mapping[str, Any], surroundings: Surroundings) -> str:
    """Why requests to the provider's address will be refused here; empty when they will not."""
    url = expand(provider["base_url"], surroundings.urls)
    return address_problem(url, provider["address_class"], surroundings.allowed) if url else ""


def _address_refusal(provider: Mapping[str, Any], surroundings: Surroundings) -> str:
    """The warning, unless DNS decides: a name may stand for an address that is listed with the same port."""
    problem = address_warning(provider, surroundings)
    if problem and provider["address_class"] == "private":
        parts = split_url(expand(provider["base_url"], surroundings.urls))
        ports = {entry.rpartition(":")[2] for entry in surroundings.allowed.private}
        if _is_name(parts.hostname or "") and str(parts.port or PORTS[parts.scheme]) in ports:
            return ""
    return problem


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def _secret_of(provider: Mapping[str, Any], surroundings: Surroundings) -> str | None:
    """A sealed secret wins over the variable: it was set here, for this address, by an operator."""
    sealed = surroundings.secrets.get((provider["slug"], address_of(provider, surroundings)))
    if sealed:
        return sealed
    variable = provider["credential_variable"]
    if variable and (variable, _credential_host(provider, surroundings)) in surroundings.pairs:
        return surroundings.variables.get(variable)
    return None


def _credential_readiness(provider: Mapping[str, Any], surroundings: Surroundings) -> Readiness:
    if _secret_of(provider, surroundings):
        return Readiness(None, "ready")
    variable, slug = provider["credential_variable"], provider["slug"]
    if (slug, address_of(provider, surroundings)) in surroundings.secrets:
        return Readiness("no_credential", "the stored secret does not open; enter it again")
    if variable:
        return Readiness(
            "no_credential", _why_not(variable, _credential_host(provider, surroundings), surroundings)
        )
    if any(slug == owner for owner, _ in surroundings.secrets):
        return Readiness("no_credential", "the stored secret belongs to another address; enter it again")
    if provider["wire"] == "openai":
        return Readiness(None, "ready (needs no credential)")
    return Readiness("no_credential", "no credential is set")


def _why_not(variable: str, host: str, surroundings: Surroundings) -> str:
    if (variable, host) in surroundings.pairs:
        return f"{variable} is not set"
    return f"RAINYMODEL_CREDENTIALS does not allow {variable} for {host or 'this provider'}"


def _missing_url_variable(provider: Mapping[str, Any], surroundings: Surroundings) -> str:
    """Development only: so that a newcomer's first prompt goes nowhere by surprise."""
    if surroundings.mode != env.DEVELOPMENT:
        return ""
    return next((name for name in variables_in(provider["base_url"]) if name not in surroundings.urls), "")


def _credential_host(provider: Mapping[str, Any], surroundings: Surroundings) -> str:
    url = expand(provider["base_url"], surroundings.urls)
    prefix = provider["litellm_prefix"]
    return host_of(url) if url else LITELLM_HOSTS.get(prefix, prefix)


def _url_variable(name: str, environ: Mapping[str, str]) -> str:
    for candidate in (name, *URL_VARIABLES[name]):
        if env.is_set(candidate, environ):
            return _checked_url(candidate, _without_version(env.text(candidate, environ)))
    return ""


def _checked_url(name: str, url: str) -> str:
    try:
        split_url(url)
    except BadTemplate as error:
        raise env.ConfigurationError(f"{name} cannot be used as an address: {error}") from None
    return url


def _demo_url(environ: Mapping[str, str]) -> str | None:
    url = env.text(DEMO_VARIABLE, environ).rstrip("/")
    return _checked_url(DEMO_VARIABLE, url) if url else None


def _without_version(url: str) -> str:
    """People write these addresses with and without the /v1 that the templates add."""
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def _read_pairs(environ: Mapping[str, str], urls: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    entries = env.items("RAINYMODEL_CREDENTIALS", environ)
    if not entries:
        return frozenset((name, _starting_host(host, urls)) for name, host in STARTING_PAIRS)
    pairs = []
    for entry in entries:
        name, _, host = entry.partition("@")
        if not name.isidentifier() or not host or "@" in host or host.count(":") == 1:
            raise env.ConfigurationError(
                f"RAINYMODEL_CREDENTIALS must list VARIABLE@host pairs; {entry[:60]!r} is none."
            )
        pairs.append((name, host.lower()))
    return frozenset(pairs)


def _starting_host(host: str, urls: Mapping[str, str]) -> str:
    return host_of(urls.get(host) or env.DECLARED[host].default) if host in URL_VARIABLES else host


def _credential(name: str, environ: Mapping[str, str]) -> str:
    """A credential variable's value; the declared ones have defaults and may be given as files."""
    if name in env.DECLARED:
        return env.text(name, environ)
    return environ.get(name, "").strip()
