"""What pages may load: nothing but our own, and under /admin what its theme cannot do without."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# Alpine, which the theme runs on, evaluates expressions and sets styles; no page outside the admin may.
ADMIN_SOURCES = {"script-src": ["'self'", "'unsafe-eval'"], "style-src": ["'self'", "'unsafe-inline'"]}


class AdminContentSecurity:
    """Widens the content security policy under /admin/ by what the theme cannot do without."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Mark the response for django-csp, which writes the header."""
        response = self.get_response(request)
        if request.path.startswith("/admin/"):
            response._csp_update = ADMIN_SOURCES  # type: ignore[attr-defined]  # as its decorators do
        return response
