"""A start's work in the database, in one process: migrations, the starting catalogue, the first key, a sign-in link."""

import io
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from textwrap import indent

from django.conf import settings
from django.core.management import call_command, get_commands
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.actor import Actor, acting
from accounts.issue import issue_key
from accounts.keys import hash_key, parse_key, same_hash
from accounts.models import ApiKey
from accounts.signin import ensure_local_operator, make_link
from rainymodel_site import audit, env, newcomer
from rainymodel_site.banner import ProviderState, Welcome
from rainymodel_site.preflight import CannotStart
from rainymodel_site.progress import Progress
from routing.document import CatalogueError
from routing.environment import readiness
from routing.models import PublishingSwitch
from routing.provider_secrets import surroundings_here
from routing.publish import PublishError, newest_revision

IMPORT_COMMAND = "import_litellm_config"
FIRST_KEY = "first-key"


def prepare(state: Path, progress: Progress) -> Welcome:
    """Bring the database up to date and make sure that somebody can get in; everything is kept on a second run."""
    spare_a_warning()
    with acting(lambda: Actor("make run")):
        with progress.step("Checking the database's tables"):
            if pending_migrations():
                call_command("migrate", interactive=False, verbosity=0)
        with progress.step("Loading the starting catalogue"), audit.quiet("starting catalogue"):
            call_command("load_catalogue", stdout=io.StringIO())
        import_litellm_config(progress)
        offer_local_ollama(progress)
        key = first_key(state / FIRST_KEY)
        welcome = Welcome(key, make_link(ensure_local_operator()), provider_states())
    let_go_of_database()
    return welcome


def spare_a_warning() -> None:
    """In development static files come from the packages; that the collected ones are missing is no news."""
    with suppress(OSError):
        Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


def pending_migrations() -> bool:
    """Whether any migration of this version is not applied."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def let_go_of_database() -> None:
    """Close every connection of this process, pools included."""
    for alias in connections:
        connections[alias].close()
        connections[alias].close_pool()  # type: ignore[attr-defined]


def import_litellm_config(progress: Progress) -> None:
    """At the first start: what LITELLM_CONFIG_PATH holds, in addition to the starting catalogue, with its report."""
    file = env.path("LITELLM_CONFIG_PATH")
    if PublishingSwitch.load().litellm_imported_at or IMPORT_COMMAND not in get_commands():
        return
    if not file.exists():
        if env.is_set("LITELLM_CONFIG_PATH"):
            raise CannotStart(f"LITELLM_CONFIG_PATH names {file}, which does not exist.")
        return
    report = io.StringIO()
    with progress.step(f"Importing {file.name}"):
        call_command(IMPORT_COMMAND, str(file), "--first-start", stdout=report)
    progress.note(indent(report.getvalue().strip(), "    ").strip())


def offer_local_ollama(progress: Progress) -> None:
    """An Ollama on this machine is offered; when that fails the start goes on without it."""
    models = newcomer.local_models()
    if not models:
        return
    try:
        with progress.step(f"Offering what the Ollama on this machine has ({len(models)})"):
            newcomer.offer(models)
    except (CatalogueError, PublishError) as error:
        progress.note(f"The Ollama on this machine is not offered: {error}")


def first_key(file: Path) -> str:
    """The key kept in `file` while it works here; else a new one, which the file then keeps."""
    kept = file.read_text(encoding="ascii", errors="replace").strip() if file.exists() else ""
    if kept and key_works(kept):
        return kept
    _, new = issue_key(ensure_local_operator(), "First key, printed by make run")
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(f"{new.text}\n")
    draft.replace(file)
    return new.text


def key_works(text: str) -> bool:
    """Whether this database knows the key, and it is neither revoked nor expired."""
    row = ApiKey.objects.filter(kid=parse_key(text) or "", revoked_at=None).first()
    if row is None or (row.expires_at and row.expires_at <= timezone.now()):
        return False
    return same_hash(bytes(row.secret_hash), hash_key(text, settings.KEY_PEPPER))


def provider_states() -> tuple[ProviderState, ...]:
    """Every provider of the catalogue that serves, and what it lacks here."""
    revision = newest_revision()
    surroundings = surroundings_here()
    providers: Iterable[dict[str, object]] = revision.document["providers"] if revision else ()
    states = ((str(provider["slug"]), readiness(provider, surroundings)) for provider in providers)
    return tuple(ProviderState(slug, found.why if found.unready else "") for slug, found in states)
