"""Every error of the management API in the gateway's own shape: {"error": {"message", "type", "param", "code"}}.

Each answer carries the request's id in `x-request-id`, and so do the log lines that are written meanwhile.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import structlog
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from rest_framework import exceptions
from structlog.contextvars import bound_contextvars

from accounts.oidc.errors import CheckOverdue, SignInRefused
from accounts.oidc.provider import provider
from accounts.site import site_address
from gateway.errors import (
    BadRequest,
    GatewayError,
    InternalError,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from gateway.uuid7 import new_id

log = structlog.get_logger("rainymodel_site.api")
PREFIX = "/api/"
NO_CREDENTIAL = "Sign in, or send an API key as `Authorization: Bearer sk-rm_…`."
# How the framework calls a mistake, and how the gateway does.
CODES = {"required": "missing_field", "null": "invalid_type", "not_a_list": "invalid_type"}
KEPT = frozenset({"unknown_field"})
ABOUT_THE_BODY = frozenset({"content-type", "content-length", "content-language"})
LONGEST_NAME, LONGEST_SENTENCE = 80, 400
WITHOUT_FIELD = frozenset({NON_FIELD_ERRORS, "non_field_errors"})


class Conflict(GatewayError):
    """What was asked for is there already."""

    status: ClassVar[int] = 409
    type: ClassVar[str] = "invalid_request_error"
    default_code: ClassVar[str] = "conflict"


class ApiErrors:
    """Middleware: what fails outside the views (no such path, a refused host, our own mistake) is told alike."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer; under /api/ never kept by anybody, and never an HTML page of errors."""
        if not f"{request.path}/".startswith(PREFIX):
            return self.get_response(request)
        request_id = new_id()
        with bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            if response.status_code >= 400:
                response = told(request, response, request_id)
        response.headers["Cache-Control"] = "no-store"
        response.headers["x-request-id"] = request_id
        return response


def told(request: HttpRequest, response: HttpResponse, request_id: str) -> HttpResponse:
    """The error as JSON, and in the log by its path alone: Django would log the query, where a key may stand."""
    if not getattr(response, "_has_been_logged", False):
        log.warning("refused", method=request.method, path=request.path, status=response.status_code)
    if not is_json(response):
        response = plain_answer(error_for_page(response, request.path, request_id), response)
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def is_json(response: HttpResponse) -> bool:
    """Whether a view of the API made this answer."""
    return response.headers.get("Content-Type", "").startswith("application/json")


def answer_error(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """The framework's exception handler; None for our own mistakes, which the middleware tells."""
    found = error_for(error, context["request"])
    if found is None:
        return None
    headers = headers_of(found)
    if isinstance(found, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="RainyModel"'
    return HttpResponse(found.body(), "application/json", found.status, headers=headers)


def error_for(error: Exception, request: Any) -> GatewayError | None:
    """Any exception of a view as one of the gateway's errors."""
    match error:
        case GatewayError():
            return error
        case ValidationError():
            return invalid(sentences(error))
        case exceptions.ValidationError():
            return invalid(error.detail)
        case exceptions.ParseError():
            return BadRequest("The request body is not valid JSON.", code="invalid_json")
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Unauthenticated(NO_CREDENTIAL, code="missing_api_key")
        case PermissionDenied() | exceptions.PermissionDenied():
            return NotAllowed("You may not do this.", code="not_allowed")
        case Http404() | exceptions.NotFound():
            return NotFound("There is no such thing, or it is not yours.", code="not_found")
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed(f"{request.method} is not served here; the Allow header says what is.")
        case exceptions.UnsupportedMediaType():
            return UnsupportedMedia("Send the body as JSON, with `Content-Type: application/json`.")
    return None


def invalid(detail: Any) -> BadRequest:
    """The first mistake of a validation, with the field it is in."""
    path, sentence, code = first_mistake(detail)
    param = ".".join(path)[:LONGEST_NAME] or None
    sentence = sentence if len(sentence) <= LONGEST_SENTENCE else f"{sentence[:LONGEST_SENTENCE]}…"
    told = f"{param}: {sentence}" if param else sentence
    return BadRequest(told, code=code, param=param)


def first_mistake(detail: Any) -> tuple[tuple[str, ...], str, str]:
    """Where the first mistake is, what it is, and its code."""
    if isinstance(detail, Mapping):
        name, inner = next(iter(detail.items()))
        path, sentence, code = first_mistake(inner)
        return (path if name in WITHOUT_FIELD else (str(name), *path)), sentence, code
    if isinstance(detail, list):
        return first_mistake(next((part for part in detail if part), "It is not valid."))
    code = getattr(detail, "code", None) or "invalid"
    return (), str(detail), CODES.get(code, code if code in KEPT else "invalid_value")


def sentences(error: ValidationError) -> Any:
    """Field → sentences of Django's own validation, or the sentences alone."""
    return error.message_dict if hasattr(error, "error_dict") else error.messages


def error_for_page(page: HttpResponse, path: str, request_id: str) -> GatewayError:
    """What a page of errors says, by its status alone, except where the session has to be confirmed."""
    if (refusal := getattr(page, "refusal", None)) is not None:
        return session_refused(refusal)
    match page.status_code:
        case 400:
            return BadRequest("This request cannot be served: its host or its form is not accepted.")
        case 401 | 403:
            return NotAllowed(
                "This was refused. Open the site in the browser and sign in again, or use an API key.",
                code="not_allowed",
            )
        case 404:
            return NotFound(f"There is nothing at {path[:120]!r}.")
        case 503:
            return Unavailable(
                "The database does not answer at the moment. Try again shortly.",
                code="database_unavailable",
                retry_after=5.0,
            )
    return InternalError(f"Something went wrong here. Tell us this request id: {request_id}")


def session_refused(refusal: SignInRefused) -> NotAllowed:
    """A session that may not write before its person was confirmed, or that has ended, and where to sign in."""
    name, where = provider().name or "the sign-in provider", f"{site_address()}{reverse('sso_login')}"
    if isinstance(refusal, CheckOverdue):
        return NotAllowed(
            f"Nothing was changed: {name} has not confirmed your sign-in for a while. Sign in again at {where}, then "
            "send this once more. Programs send an API key instead.",
            code="session_stale",
        )
    headline = refusal.headline.format(provider=name)
    return NotAllowed(
        f"{headline}, so your session has ended. Sign in again at {where}.", code="session_ended"
    )


def plain_answer(error: GatewayError, page: HttpResponse) -> HttpResponse:
    """The error as an answer, with the page's other headers."""
    answer = HttpResponse(error.body(), status=error.status, content_type="application/json")
    kept = {name: value for name, value in page.items() if name.lower() not in ABOUT_THE_BODY}
    for name, value in {**kept, **headers_of(error)}.items():
        answer.headers[name] = value
    answer.cookies = page.cookies
    return answer


def headers_of(error: GatewayError) -> dict[str, str]:
    """The error's own headers: whether to try again, and when."""
    return {name.decode(): value.decode() for name, value in error.headers()}
