"""What is left to do after an import: variables to set, and the lists of the environment that must allow more."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rainymodel_site import env
from routing.addresses import expand, host_of
from routing.environment import LITELLM_HOSTS, Readiness, Surroundings, address_of, address_warning, readiness
from routing.importers.litellm_config import LitellmConfig
from routing.importers.litellm_values import value_of, variable_named_by
from routing.importers.litellm_vendors import place_of
from routing.importers.report import Report

MASTER_KEY = "RAINYMODEL_MASTER_KEY"
LITELLM_MASTER_KEY = "LITELLM_MASTER_KEY"  # read as a service key
CREDENTIALS = "RAINYMODEL_CREDENTIALS"
LISTS = {"private": "RAINYMODEL_PRIVATE_UPSTREAMS", "plaintext": "RAINYMODEL_PLAINTEXT_UPSTREAMS"}
Entry = Mapping[str, Any]


def report_next_steps(
    providers: Sequence[Entry],
    config: LitellmConfig,
    surroundings: Surroundings,
    environ: Mapping[str, str],
    report: Report,
) -> None:
    """Say of each provider whether it can be called from here, and name exactly what to set."""
    _master_key(config.master_key, environ, report)
    report_providers(providers, surroundings, environ, report)


def report_providers(
    providers: Sequence[Entry], surroundings: Surroundings, environ: Mapping[str, str], report: Report
) -> None:
    """The same for providers that no file with a master key brought along."""
    for provider in providers:
        state = _state(readiness(provider, surroundings), address_warning(provider, surroundings))
        report.say("providers", f"{provider['slug']}: {state}.")
    keyed = [provider for provider in providers if _is_keyed_by_variable(provider, surroundings)]
    for provider in keyed:
        if not value_of(provider["credential_variable"], environ):
            report.say("next_steps", f"Set {provider['credential_variable']}, the key of {provider['slug']}.")
    _credential_pairs(keyed, surroundings, report)
    for address_class, variable in LISTS.items():
        members = [provider for provider in providers if provider["address_class"] == address_class]
        _allowed(variable, members, surroundings, environ, report)


def _state(state: Readiness, problem: str) -> str:
    if not state.unready and not problem:
        return state.why
    reasons = (state.why if state.unready else "", problem.rstrip("."))
    return f"not yet: {'; '.join(dict.fromkeys(filter(None, reasons)))}"


def _master_key(given: str, environ: Mapping[str, str], report: Report) -> None:
    """The key itself is neither kept nor printed."""
    variable = variable_named_by(given)
    known = (MASTER_KEY, LITELLM_MASTER_KEY)
    if not given or value_of(MASTER_KEY, environ) or (variable in known and value_of(variable, environ)):
        return
    source = f"the value of {variable}" if variable else "the file's general_settings.master_key"
    report.say("next_steps", f"Set {MASTER_KEY} to {source}, if clients are to keep their key.")


def _is_keyed_by_variable(provider: Entry, surroundings: Surroundings) -> bool:
    stored = surroundings.secrets.get((provider["slug"], address_of(provider, surroundings)))
    return bool(provider["credential_variable"]) and not stored


def _credential_pairs(providers: Iterable[Entry], surroundings: Surroundings, report: Report) -> None:
    """The variable replaces the list it has by default, so the whole list is given."""
    wanted = {(provider["credential_variable"], _host(provider, surroundings)) for provider in providers}
    if missing := wanted - surroundings.pairs:
        pairs = ",".join(f"{name}@{host}" for name, host in sorted(surroundings.pairs | wanted))
        new = ", ".join(f"{name}@{host}" for name, host in sorted(missing))
        report.say("next_steps", f"Allow {new}: {CREDENTIALS}={pairs}")


def _host(provider: Entry, surroundings: Surroundings) -> str:
    url, prefix = expand(provider["base_url"], surroundings.urls), provider["litellm_prefix"]
    return host_of(url) if url else str(LITELLM_HOSTS.get(prefix, prefix))


def _allowed(
    variable: str,
    providers: Iterable[Entry],
    surroundings: Surroundings,
    environ: Mapping[str, str],
    report: Report,
) -> None:
    refused = [provider for provider in providers if address_warning(provider, surroundings)]
    places = sorted({place_of(expand(provider["base_url"], surroundings.urls)) for provider in refused})
    if places:
        whole = ",".join(dict.fromkeys([*env.items(variable, environ), *places]))
        report.say("next_steps", f"Allow {', '.join(places)}: {variable}={whole}")
