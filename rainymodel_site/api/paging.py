"""Lists by keyset: a page begins after a row, so nothing is skipped or repeated while rows come and go."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DataError, models
from django.db.models import Q, QuerySet
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.response import Response

from gateway.errors import BadRequest
from rainymodel_site.api.shapes import listed

Row = TypeVar("Row", bound=models.Model)


def page_of(
    rows: QuerySet[Row], wanted: dict[str, Any], shape: Callable[..., Any], order: str = "id"
) -> Response:
    """A page of these rows, the highest `order` first, and among equals the highest id."""
    limit = wanted["limit"]
    if "before" in wanted:
        mark = find_mark(rows, wanted["before"])
        value = getattr(mark, order)
        rows = rows.filter(Q(**{f"{order}__lt": value}) | Q(**{order: value}, pk__lt=mark.pk))
    found = list(rows.order_by(f"-{order}", "-pk")[: limit + 1])
    shown = found[:limit]
    following = str(shown[-1].pk) if len(found) > limit else None
    return Response(listed(shape(shown, many=True).data, following))


def find_mark(rows: QuerySet[Row], id: str) -> Row:
    """The row that a page begins after. Raises BadRequest when it is not among these."""
    try:
        return rows.get(pk=rows.model._meta.pk.to_python(id))
    except (ObjectDoesNotExist, ValidationError, DataError, ValueError):
        raise BadRequest(
            "before: There is no such row in this list. Begin again without it.",
            code="invalid_value",
            param="before",
        ) from None


def page_shape(shape: type[serializers.Serializer]) -> Any:
    """How the schema calls a page of these."""
    fields = {"data": shape(many=True), "next": serializers.CharField(allow_null=True)}
    return inline_serializer(f"PageOf{shape.__name__}", fields)
