"""Questions in an address that Postgres cannot be asked."""

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import HttpRequest, HttpResponse
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
