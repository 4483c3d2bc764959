"""Importing litellm configurations in tests: the sample files, and what the catalogue holds afterwards."""

import io
from pathlib import Path
from typing import Any

from django.core.management import call_command

from routing.catalogue import read_document
from routing.document import Document
from routing.models import CatalogueRevision, ProviderSecret
from routing.publish import newest_revision

SAMPLES = Path(__file__).parent / "samples"
PROXY_BASE = "http://cliproxy:8317/v1"  # CLIPROXY_API_BASE, which a sample names
ENTRY = """
model_list:
- model_name: house/one
  litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY}
""".lstrip()


def run(file: Path, **options: Any) -> str:
    """The command's report on the file."""
    out = io.StringIO()
    call_command("import_litellm_config", str(file), stdout=out, **options)
    return out.getvalue()


def sample(name: str, **options: Any) -> str:
    """Import a sample."""
    return run(SAMPLES / f"litellm_{name}.yaml", **options)


def imported(tmp_path: Path, text: str, **options: Any) -> str:
    """Import a configuration written here."""
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return run(file, **options)


def entry(section: str, name: str, document: Document | None = None) -> dict[str, Any]:
    """One row of the draft, or of another document."""
    key = "name" if section in {"aliases", "policies"} else "slug"
    return next(row for row in (document or read_document())[section] if row[key] == name)


def routes(alias: str) -> list[str]:
    """The alias's deployments, in order."""
    return [route["deployment"] for route in entry("aliases", alias)["routes"]]


def published() -> Document:
    """The document that serves."""
    revision = newest_revision()
    assert revision is not None
    return revision.document


def tables() -> tuple[Any, ...]:
    """Everything an import could change."""
    secrets = list(ProviderSecret.objects.values_list("provider_slug", "base_url", "last_four"))
    return read_document(), secrets, CatalogueRevision.objects.count()
