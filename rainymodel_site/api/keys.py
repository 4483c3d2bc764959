"""/api/keys/: made, shown once, changed, rolled, revoked. Operators see and change those of everyone."""

import uuid
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import own_keys
from accounts.actor import current_actor
from accounts.caller import CALLING_ROLES
from accounts.issue import revoke_keys, service_user
from accounts.models import ApiKey, Role, User
from accounts.site import pausing
from gateway.errors import LimitReached, NotAllowed
from rainymodel_site.api import shapes
from rainymodel_site.api.bodies import read_body, read_query
from rainymodel_site.api.envelope import Conflict
from rainymodel_site.api.paging import page_of, page_shape
from rainymodel_site.api.permissions import IsOperator, require_operator
from rainymodel_site.api.views import creation_id, is_called, user_named


class Keys(APIView):
    """All keys one may see."""

    @extend_schema(
        operation_id="list_keys", parameters=[shapes.KeyFilter], responses=page_shape(shapes.KeyRow)
    )
    def get(self, request: Request) -> Response:
        """Newest first. Operators see those of everyone."""
        wanted = read_query(request, shapes.KeyFilter)
        keys = visible_keys(request)
        if "owner" in wanted:
            keys = keys.filter(owner=owner_for(request, wanted["owner"]))
        keys = in_state(keys, wanted.get("state"))
        if "unused_for" in wanted:
            since = timezone.now() - timedelta(days=wanted["unused_for"])
            keys = keys.annotate(used=Coalesce("last_used_at", "created_at")).filter(used__lt=since)
        return page_of(keys, wanted, shapes.KeyRow, order="created_at")

    @extend_schema(request=shapes.KeyOrder, responses={201: shapes.NewKeyRow})
    def post(self, request: Request) -> Response:
        """A new key; its text is in `key`, this once."""
        refuse_limited_key(request)
        wanted = read_body(request, shapes.KeyOrder)
        refuse_own_body_limit(request, wanted, None)
        owner = owner_for(request, wanted.pop("owner", ""))
        id = creation_id(request, wanted.pop("id", None), f"keys of {owner.pk}")
        try:
            key, new = own_keys.create(owner, current_actor(), wanted.pop("label"), id=id, **wanted)
        except own_keys.TooOften as error:
            raise too_often(error) from None
        except own_keys.AlreadyMade as error:
            raise made_already(error.made) from None
        return created(key, new.text)


class OneKey(APIView):
    """One key."""

    @extend_schema(responses=shapes.KeyRow)
    def get(self, request: Request, id: str) -> Response:
        """The key, without its text."""
        return Response(shapes.KeyRow(key_with(request, id)).data)

    @extend_schema(request=shapes.KeyChange, responses=shapes.KeyRow)
    def patch(self, request: Request, id: str) -> Response:
        """Another label, other limits."""
        key = key_with(request, id)
        refuse_limited_key(request)
        wanted = read_body(request, shapes.KeyChange, partial=True)
        refuse_own_body_limit(request, wanted, key.max_body_mb)
        changed = own_keys.change(key, current_actor(), **wanted) if wanted else key
        return Response(shapes.KeyRow(changed).data)

    @extend_schema(responses=shapes.KeyRow)
    def delete(self, request: Request, id: str) -> Response:
        """Revoke it for good; gateways refuse it within 2 s. Once more changes nothing."""
        return Response(shapes.KeyRow(own_keys.revoke(key_with(request, id), current_actor())).data)


class RollKey(APIView):
    """A new secret for a key."""

    @extend_schema(request=shapes.Roll, responses={201: shapes.NewKeyRow})
    def post(self, request: Request, id: str) -> Response:
        """A new key with the same label and limits; the old one works on for `keep_hours`."""
        key = key_with(request, id)
        wanted = read_body(request, shapes.Roll)
        if not may_roll_itself(request, key):
            refuse_limited_key(request)
        chosen = creation_id(request, wanted.get("id"), f"roll of {key.pk}")
        try:
            keep = timedelta(hours=wanted["keep_hours"])
            rolled, new = own_keys.roll(key, current_actor(), keep, id=chosen)
        except own_keys.TooOften as error:
            raise too_often(error) from None
        except own_keys.AlreadyMade as error:
            raise made_already(error.made) from None
        return created(rolled, new.text)


class RevokeKeys(APIView):
    """Many keys at once."""

    permission_classes = [IsOperator]

    @extend_schema(request=shapes.Ids, responses=shapes.Revoked)
    def post(self, request: Request) -> Response:
        """Revoke these; those that are revoked already, or do not exist, come back as `unchanged`."""
        ids = read_body(request, shapes.Ids)["ids"]
        revoked = {key.pk for key in revoke_keys(ids)}
        unchanged = [id for id in ids if id not in revoked]
        return Response(shapes.Revoked({"revoked": sorted(revoked), "unchanged": unchanged}).data)


def visible_keys(request: Request) -> QuerySet[ApiKey]:
    """An operator sees all keys, others their own; a key of the environment owns none."""
    keys = ApiKey.objects.select_related("owner", "replaced_by")
    return keys if request.auth.operator else keys.filter(owner_id=request.user.pk)


def key_with(request: Request, id: str) -> ApiKey:
    """The key with this id. Raises Http404 for what is not one's own as for what does not exist."""
    try:
        return visible_keys(request).get(pk=uuid.UUID(id))
    except (ApiKey.DoesNotExist, ValueError):
        raise Http404 from None


def owner_for(request: Request, name: str) -> User:
    """The owner that is named, by default who asks. Raises NotAllowed where that is not for them to say."""
    user: User = request.user
    if name and not is_called(user, name):
        require_operator(request)
        return user_named(name, "owner")
    if user.pk is not None:
        return user
    if request.auth.operator:
        return service_user()
    raise NotAllowed("This key comes from the environment and owns no keys.", code="owns_no_keys")


def refuse_limited_key(request: Request) -> None:
    """Raises NotAllowed for a key with limits: what it made or changed could do more than itself."""
    key = request.auth.key
    if key is not None and is_limited(key):
        raise NotAllowed(
            "This API key is limited, so it can neither make, change nor roll keys: they could do more than itself. "
            "Sign in, or use a key without limits.",
            code="limited_key",
        )


def refuse_own_body_limit(request: Request, wanted: dict[str, Any], before: int | None) -> None:
    """Raises NotAllowed for another `max_body_mb` from anyone but an operator: large bodies cost everyone's memory."""
    if wanted.get("max_body_mb", before) != before:
        require_operator(request)


def may_roll_itself(request: Request, key: ApiKey) -> bool:
    """Whether a key asks to roll itself; it gains nothing by it, because the new one shares its limits."""
    own = request.auth.key
    return own is not None and own.pk == key.pk


def is_limited(key: ApiKey) -> bool:
    """Whether anything narrows what a key may do."""
    lists = [key.aliases, key.policies, key.networks]
    narrowed = any(lists) or bool(key.highest_tier) or not key.direct_calls or key.expires_at is not None
    numbers = (*own_keys.AMOUNT_FIELDS, "max_body_mb")
    return narrowed or any(getattr(key, name) is not None for name in numbers)


def in_state(keys: QuerySet[ApiKey], state: str | None) -> QuerySet[ApiKey]:
    """The keys in a state; open ones are neither revoked nor expired, and may be paused."""
    is_past = Q(expires_at__isnull=False, expires_at__lte=timezone.now())
    if state == "revoked":
        return keys.filter(revoked_at__isnull=False)
    if state == "expired":
        return keys.filter(is_past, revoked_at=None)
    open_keys = keys.filter(~is_past, revoked_at=None)
    if state == "paused":
        seen = Coalesce("owner__last_sign_in", "owner__date_joined")
        return open_keys.annotate(seen=seen).filter(shut_out() | away())
    return open_keys if state == "open" else keys


def shut_out() -> Q:
    """Keys whose owner may not call."""
    return Q(owner__is_active=False) | ~Q(owner__role__in=CALLING_ROLES)


def away() -> Q:
    """Keys whose owner has not signed in for too long; `seen` is when they last did."""
    pause = pausing()
    if not pause.days:
        return Q(pk__in=[])
    concerned = Q() if pause.sso else ~Q(owner__subject="")
    last = timezone.now() - timedelta(days=pause.days)
    return Q(seen__lte=last) & ~Q(owner__role=Role.SERVICE) & concerned


def created(key: ApiKey, text: str) -> Response:
    """201 with the row and the key's text."""
    row = shapes.NewKeyRow(key, context={"text": text}).data
    return Response(row, status=201, headers={"Location": f"/api/keys/{key.pk}/"})


def too_often(error: own_keys.TooOften) -> LimitReached:
    """The 429 for somebody who makes keys without end."""
    return LimitReached(error.messages[0], retry_after=own_keys.A_MINUTE.total_seconds())


def made_already(id: uuid.UUID) -> Conflict:
    """The 409 for a request that was sent before."""
    error = Conflict(
        f"This request has made its key already: {id}. A key's text is told once; if you missed it, roll the key.",
        code="key_already_made",
        param="id",
    )
    error.extra_headers = ((b"location", f"/api/keys/{id}/".encode()),)
    return error
