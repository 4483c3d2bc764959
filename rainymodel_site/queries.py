"""What Postgres cannot be asked: a NUL in an address, and marks of rows that no row of a list has."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, ValidationError
from django.db import DataError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.defaults import bad_request

NUL = "%00"


class NulInQuery:
    """Middleware: where a page fails over a NUL in its query, that is a mistake of who asked, a 400 and no 500."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The page."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The 400 for what Postgres, or the driver before it, says to a NUL; None for other failures."""
        if NUL in request.META.get("QUERY_STRING", "") and isinstance(error, DataError | ValueError):
            return bad_request(request, BadRequest("the query holds a NUL"))
        return None


class ForgedSelection:
    """Middleware: rows marked in a list of the admin that cannot be rows of it are said to be gone, with no 500."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The page."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> HttpResponse | None:
        """Back to the list when a mark cannot be read as one of its keys; None to go on."""
        page = getattr(view, "model_admin", None)
        if page is None or request.method != "POST" or ACTION_CHECKBOX_NAME not in request.POST:
            return None
        if all(may_be_key(page.model, mark) for mark in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            return None
        messages.warning(request, "What was selected is not on this list. Select the rows again.")
        return redirect(request.path)


def may_be_key(model: type[Model], text: str) -> bool:
    """Whether a row of the model could have this key."""
    try:
        model._meta.pk.clean(text, None)
    except ValidationError:
        return False
    return True
