"""Who may ask what. A refusal says which sign-in or key would do."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from gateway.errors import NotAllowed


class MayUse(BasePermission):
    """Whoever may call models may manage what is theirs."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """False without a credential. Raises NotAllowed for people without access, such as viewers."""
        if not request.user.is_authenticated:
            return False
        if not request.user.may_call:
            raise NotAllowed(
                "Your account has no access here. An operator can give you another role.", code="no_access"
            )
        return True


class IsOperator(MayUse):
    """Admins in the browser, and RAINYMODEL_MASTER_KEY."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises NotAllowed for everybody else."""
        if super().has_permission(request, view):
            require_operator(request)
            return True
        return False


class IsStaffSession(MayUse):
    """Admins and developers in the browser."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises NotAllowed for keys, and for people who have nothing to do in the admin."""
        if not super().has_permission(request, view):
            return False
        if request.auth.kind != "session" or not request.user.is_staff:
            raise NotAllowed("This page is for admins and developers who are signed in.", code="staff_only")
        return True


def require_operator(request: Request) -> None:
    """Raises NotAllowed for all but operators."""
    if not request.auth.operator:
        raise NotAllowed(
            "Only operators may do this: an admin who is signed in, or RAINYMODEL_MASTER_KEY. An admin's own API "
            "key manages the admin's own keys only.",
            code="operators_only",
        )
