"""What the views share."""

import uuid

from django.db.models import Q
from django.utils.crypto import salted_hmac
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from gateway.errors import BadRequest
from rainymodel_site.api import shapes
from rainymodel_site.api.permissions import MayUse

LONGEST_IDEMPOTENCY_KEY = 255


class Me(APIView):
    """Who is asking."""

    permission_classes = [MayUse]

    @extend_schema(responses=shapes.Me)
    def get(self, request: Request) -> Response:
        """The user, the role as it is now, and the limits of account and key."""
        user, access = request.user, request.auth
        known = {
            "user": user.username,
            "email": user.email,
            "role": user.role,
            "operator": access.operator,
            "signed_in_by": access.kind,
            "account_limits": user,
            "key": access.key,
        }
        return Response(shapes.Me(known).data)


def is_called(user: User, name: str) -> bool:
    """Whether a name or e-mail address is this user's own."""
    return name == user.username or (bool(user.email) and name.lower() == user.email.lower())


def user_named(name: str, param: str) -> User:
    """The user with this name or e-mail address. Raises BadRequest."""
    by_name = User.objects.filter(username=name).first()
    if by_name is not None:
        return by_name
    found = list(User.objects.filter(Q(email__iexact=name) & ~Q(email=""))[:2])
    if len(found) != 1:
        problem = "There is nobody" if not found else "There are several people"
        raise BadRequest(f"{param}: {problem} with this name or e-mail.", code="user_not_found", param=param)
    return found[0]


def creation_id(request: Request, chosen: uuid.UUID | None, what: str) -> uuid.UUID | None:
    """The id of the one thing this request makes, however often it is sent; None when the client does not care.

    Chosen by the client, or made from its Idempotency-Key in a way that nobody else can foresee. Raises BadRequest.
    """
    text = request.headers.get("Idempotency-Key")
    if text is None or chosen is not None:
        return chosen
    if not 0 < len(text) <= LONGEST_IDEMPOTENCY_KEY:
        raise BadRequest(
            f"An Idempotency-Key has 1 to {LONGEST_IDEMPOTENCY_KEY} characters.", code="invalid_value"
        )
    made_of = f"{what}#{request.user.pk or request.auth.name}#{text}"
    return uuid.UUID(
        bytes=salted_hmac("idempotency key", made_of, algorithm="sha256").digest()[:16], version=5
    )
