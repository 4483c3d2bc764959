"""For a newcomer's machine: when an Ollama answers on it, its models are offered without anything to configure."""

import json
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import Max

from routing.loader import load_rows
from routing.models import Alias, Deployment, Route, SeededRow
from routing.publish import CellsEmptied, PublishRefused, publish_saved

OLLAMA = "http://localhost:11434"
PROVIDER = "ollama-local"
JOINED = ("rainymodel", "rainymodel/auto", "rainymodel/chat", "rainymodel/code")
AUTHOR = "make run"
PATIENCE = 0.5
NAME_LENGTH = 100


def local_models(url: str = OLLAMA) -> tuple[str, ...]:
    """The chat models of the Ollama at `url`; none when nothing there answers like one."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/api/tags", timeout=PATIENCE) as response:
            listed = json.loads(response.read(1_000_000))["models"]
        return tuple(sorted({entry["name"] for entry in listed if _can_chat(entry)}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def offer(models: Iterable[str], url: str = OLLAMA) -> bool:
    """Bring the models into the catalogue, behind what is there, and publish; False when nothing was new.

    What an operator has changed or deleted since the first time stays so. Where the draft cannot be published as it
    is, they stay in it. Raises CatalogueError.
    """
    names = tuple(models)
    with transaction.atomic():
        changed = load_rows(_rows(names, url), overwrite=False).changed
        for alias in Alias.objects.filter(name__in=JOINED):
            for name in names:
                changed |= _append(alias, f"{PROVIDER}/{name}")
        if changed:
            with suppress(CellsEmptied, PublishRefused):
                publish_saved(AUTHOR)
    return changed


def _can_chat(entry: dict[str, Any]) -> bool:
    """Models of the BERT families only embed. Odd names would be refused by the catalogue as a whole."""
    name, family = entry["name"], (entry.get("details") or {}).get("family") or ""
    return (
        name.isascii()
        and name.isprintable()
        and not set(name) & set(" *")
        and len(name) <= NAME_LENGTH
        and "bert" not in family
    )


def _rows(names: Iterable[str], url: str) -> dict[str, Any]:
    return {
        "providers": {
            PROVIDER: {
                "upstream": "ollama",
                "base_url": f"{url}/v1",
                "address_class": "private",
                "first_content_limit": 120,
            }
        },
        "deployments": {f"{PROVIDER}/{name}": _deployment(name) for name in names},
        "aliases": {
            name: {"description": "This machine's Ollama.", "routes": [f"{PROVIDER}/{name}"]}
            for name in names
        },
    }


def _deployment(name: str) -> dict[str, Any]:
    free = {"starts": "2026-01-01", "input": 0, "cached_input": 0, "output": 0}
    return {
        "provider": PROVIDER,
        "model": name,
        "tier": "internal",
        "prices": [free],
        "source": "Listed by the Ollama on this machine.",
    }


def _append(alias: Alias, slug: str) -> bool:
    """Add the deployment at the alias's end, once: a route that an operator removed does not come back."""
    key = f"{alias.name} {slug}"[:201]
    deployment = Deployment.objects.filter(slug=slug).first()
    if deployment is None or not SeededRow.objects.get_or_create(kind="route", key=key)[1]:
        return False
    last = alias.routes.aggregate(last=Max("position"))["last"]
    return Route.objects.get_or_create(
        alias=alias, deployment=deployment, defaults={"position": 0 if last is None else last + 1}
    )[1]
