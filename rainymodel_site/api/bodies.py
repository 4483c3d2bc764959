"""Request bodies: JSON of a sensible size, in which nothing unknown is passed over in silence."""

from typing import Any

import orjson
from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from gateway.errors import TooLarge

LARGEST_BODY = 256 * 1024  # bytes; a thousand ids take 40 KB


class JsonBody(BaseParser):
    """JSON as the standard has it: no NaN, no Infinity, no half characters."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The value. Raises ParseError and TooLarge."""
        body = stream.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise TooLarge(f"The request body is larger than {LARGEST_BODY} bytes.")
        try:
            return orjson.loads(body or b"{}")
        except ValueError:
            raise ParseError from None


class AlwaysTheFirst(BaseContentNegotiation):
    """Every view speaks one format, whatever the client says it likes."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """The parser for this content type; none for another."""
        content_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """The view's own."""
        return renderers[0], renderers[0].media_type


class Strict:
    """A serializer that refuses fields it does not know: a limit that was misspelt is no limit."""

    def to_internal_value(self, data: Any) -> Any:
        """The checked values. Raises ValidationError."""
        if isinstance(data, dict):
            known = {name for name, field in self.fields.items() if not field.read_only}  # type: ignore[attr-defined]
            unknown = sorted(str(name) for name in set(data) - known)
            if unknown:
                told = f"There is no such field here. There are: {', '.join(sorted(known))}."
                raise ValidationError({unknown[0]: [ErrorDetail(told, code="unknown_field")]})
        return super().to_internal_value(data)  # type: ignore[misc]


def read_body(request: Request, shape: type[Serializer], **options: Any) -> dict[str, Any]:
    """The request's body as the shape says. Raises ValidationError."""
    return checked(shape(data=request.data, **options))


def read_query(request: Request, shape: type[Serializer]) -> dict[str, Any]:
    """The URL's query as the shape says; of a parameter that comes twice, the last. Raises ValidationError."""
    return checked(shape(data=request.query_params.dict()))


def checked(serializer: Serializer) -> dict[str, Any]:
    """The serializer's values. Raises ValidationError."""
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
