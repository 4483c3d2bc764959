"""What a page says when it could not be made: the database is away, or something of ours went wrong."""

import sys

from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template import loader
from django.utils.log import log_response
from django.views.defaults import server_error

from rainymodel_site.preflight import first_line

RETRY_AFTER = 5  # seconds
# SQLSTATE classes of a server that cannot serve now: no connection, no more connections, shutting down or starting.
AWAY = ("08", "53", "57P")


def failed(request: HttpRequest) -> HttpResponse:
    """The page for an exception: 503 and one line in the log when the database is away, else 500."""
    error = sys.exc_info()[1]
    if not isinstance(error, Error) or not is_away(error):
        page: HttpResponseServerError = server_error(request)
        return page
    response = HttpResponse(
        loader.get_template("503.html").render(),
        status=503,
        headers={"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store"},
    )
    # What is logged here is not logged again with a traceback.
    log_response(
        "The database cannot be reached (%s): %s",
        first_line(error),
        request.path,
        response=response,
        request=request,
    )
    return response


def is_away(error: Error) -> bool:
    """Whether it is the connection that failed, not a statement: a deadlock is operational too."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(AWAY)
