"""/api/users/ and /api/ceilings/, for operators: who may do what, and what all of them together may spend."""

from typing import Any

from django.db import IntegrityError, transaction
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Ceiling, Role, User
from gateway.errors import BadRequest
from rainymodel_site.api import shapes
from rainymodel_site.api.bodies import read_body, read_query
from rainymodel_site.api.envelope import Conflict
from rainymodel_site.api.paging import page_of, page_shape
from rainymodel_site.api.permissions import IsOperator


class Users(APIView):
    """Everybody who has signed in, and the services."""

    permission_classes = [IsOperator]

    @extend_schema(
        operation_id="list_users", parameters=[shapes.UserFilter], responses=page_shape(shapes.UserRow)
    )
    def get(self, request: Request) -> Response:
        """The latest first."""
        wanted = read_query(request, shapes.UserFilter)
        users = User.objects.all()
        if "role" in wanted:
            users = users.filter(role=wanted["role"])
        if wanted["is_active"] is not None:
            users = users.filter(is_active=wanted["is_active"])
        return page_of(users, wanted, shapes.UserRow)


class OneUser(APIView):
    """One person or service."""

    permission_classes = [IsOperator]

    @extend_schema(responses=shapes.UserRow)
    def get(self, request: Request, id: str) -> Response:
        """Name, role and limits."""
        return Response(shapes.UserRow(user_with(id)).data)

    @extend_schema(request=shapes.UserChange, responses=shapes.UserRow)
    def patch(self, request: Request, id: str) -> Response:
        """Another role, other limits, or no access: all keys follow within 2 s."""
        wanted = read_body(request, shapes.UserChange, partial=True)
        with transaction.atomic():
            user = user_with(id)
            refuse_to_lock_out(request, user, wanted)
            for name, value in wanted.items():
                setattr(user, name, value)
            if wanted:
                user.save(update_fields=list(wanted))
        return Response(shapes.UserRow(user).data)


class Ceilings(APIView):
    """All ceilings."""

    permission_classes = [IsOperator]

    @extend_schema(
        operation_id="list_ceilings", parameters=[shapes.Page], responses=page_shape(shapes.CeilingRow)
    )
    def get(self, request: Request) -> Response:
        """The latest first."""
        return page_of(Ceiling.objects.all(), read_query(request, shapes.Page), shapes.CeilingRow)

    @extend_schema(request=shapes.CeilingRow, responses={201: shapes.CeilingRow})
    def post(self, request: Request) -> Response:
        """A new ceiling."""
        row = stored(Ceiling(), read_body(request, shapes.CeilingRow))
        return Response(shapes.CeilingRow(row).data, 201, headers={"Location": f"/api/ceilings/{row.pk}/"})


class OneCeiling(APIView):
    """One ceiling."""

    permission_classes = [IsOperator]

    @extend_schema(responses=shapes.CeilingRow)
    def get(self, request: Request, id: str) -> Response:
        """What it is over, and how much."""
        return Response(shapes.CeilingRow(ceiling_with(id)).data)

    @extend_schema(request=shapes.CeilingRow, responses=shapes.CeilingRow)
    def patch(self, request: Request, id: str) -> Response:
        """Other amounts."""
        row = stored(ceiling_with(id), read_body(request, shapes.CeilingRow, partial=True))
        return Response(shapes.CeilingRow(row).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: str) -> Response:
        """Take it away."""
        ceiling_with(id).delete()
        return Response(status=204)


def user_with(id: str) -> User:
    """Raises Http404."""
    found = User.objects.filter(pk=int(id)).first()
    if found is None:
        raise Http404
    return found


def ceiling_with(id: str) -> Ceiling:
    """Raises Http404."""
    found = Ceiling.objects.filter(pk=int(id)).first()
    if found is None:
        raise Http404
    return found


def refuse_to_lock_out(request: Request, user: User, wanted: dict[str, Any]) -> None:
    """Raises BadRequest for admins who take their own access away."""
    gives_up = not wanted.get("is_active", True) or wanted.get("role", Role.ADMIN) != Role.ADMIN
    if user.pk == request.user.pk and gives_up:
        param = "is_active" if not wanted.get("is_active", True) else "role"
        raise BadRequest(
            f"{param}: This would take your own access away; ask another admin to do it.",
            code="not_allowed",
            param=param,
        )


def stored(row: Ceiling, fields: dict[str, Any]) -> Ceiling:
    """The ceiling with these fields, checked and written. Raises ValidationError, and Conflict for a second one."""
    for name, value in fields.items():
        setattr(row, name, value)
    row.full_clean(validate_unique=False, validate_constraints=False)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise Conflict(
            f"There is a ceiling over {row} already; change that one.", code="ceiling_exists", param="name"
        ) from None
    return row
