"""The catalogue as a file: exported for review and keeping, imported into the draft after a look at what changes."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core import signing
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from rainymodel_site.console.change.page import TO_PUBLISH
from rainymodel_site.console.views import page
from routing.admin.publishing import author_of
from routing.catalogue_text import MOST_BYTES, FileRefused
from routing.draft import DRAFT, draft_mark, export_text, import_text, preview_import
from routing.engine.validate import errors_of
from routing.models import CatalogueRevision
from routing.publish import PublishError, UnknownRevision

PREVIEW_LIVES = 3600  # seconds in which a previewed file may be applied
SALT = "console.draft.import"
MOST_TO_PREVIEW = 2_000_000  # characters that a form carries back, signed and compressed


@never_cache
@require_safe
@permission_required("routing.view_cataloguerevision", raise_exception=True)
def export_file(request: HttpRequest) -> HttpResponse:
    """The draft, or `?revision=N`, to download."""
    which = request.GET.get("revision", DRAFT)
    try:
        text = export_text(which)
    except UnknownRevision as error:
        raise Http404(str(error)) from None
    name = DRAFT if which == DRAFT else f"revision-{int(which)}"
    answer = HttpResponse(text, content_type="application/json; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="rainymodel-{name}.json"'
    return answer


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(TO_PUBLISH, raise_exception=True)
def import_page(request: HttpRequest) -> HttpResponse:
    """GET asks for a file; a POST with one shows what it would change, a POST of what was shown applies it."""
    try:
        if "apply" in request.POST:
            return apply(request)
        file = request.FILES.get("file")
        if isinstance(file, UploadedFile):
            return preview(request, *read_upload(file))
    except signing.BadSignature:
        messages.error(request, "That preview is more than an hour old. Choose the file again.")
    except (FileRefused, PublishError) as refusal:
        messages.error(request, f"Nothing was imported. {refusal}")
    return page(request, "console/draft_import.html", "Import into the draft", CatalogueRevision)


def read_upload(file: UploadedFile) -> tuple[str, str]:
    """The file's text and its name. Raises FileRefused."""
    size = file.size or 0
    if size > MOST_BYTES:
        raise FileRefused(f"The file has more than {MOST_BYTES:,} bytes.")
    try:
        return file.read().decode("utf-8-sig"), (file.name or "a file")[:100]
    except UnicodeDecodeError as error:
        raise FileRefused(f"It is not UTF-8 text (at byte {error.start:,}).") from None


def preview(request: HttpRequest, text: str, name: str) -> HttpResponse:
    """What the file would make of the draft, and the button that does it. Raises FileRefused."""
    mark, found = draft_mark(), preview_import(text)
    sealed = signing.dumps({"text": text, "name": name, "seen": mark}, salt=SALT, compress=True)
    if len(sealed) > MOST_TO_PREVIEW:
        raise FileRefused("It is too large for this page: use manage.py import_revision.")
    context = {"found": found, "errors": errors_of(found.findings), "sealed": sealed, "name": name}
    return page(request, "console/draft_import.html", "Import into the draft", CatalogueRevision, **context)


def apply(request: HttpRequest) -> HttpResponse:
    """Make the draft what the preview showed. Raises BadSignature, FileRefused or DraftMoved."""
    known = signing.loads(request.POST["apply"], salt=SALT, max_age=PREVIEW_LIVES)
    changes = import_text(known["text"], author_of(request), known["name"], known["seen"])
    if changes:
        messages.success(
            request, f"{known['name']} is in the draft. Publishing is held: review it, then publish."
        )
    else:
        messages.info(request, f"{known['name']} says what the draft says already.")
    return redirect("console:draft")
