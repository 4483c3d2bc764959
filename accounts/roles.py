"""What each role may do in the admin. Permissions follow from the role alone: no groups, no rows to keep in step."""

from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from django.apps import apps
from django.contrib.auth.backends import BaseBackend
from django.db import models

from accounts.models import Role, User

CATALOGUE = (
    "tier",
    "provider",
    "deployment",
    "price",
    "tierpolicy",
    "policystep",
    "alias",
    "route",
    "cataloguerevision",
)

GRANTS: dict[str, tuple[str, ...]] = {
    Role.ADMIN: (
        "routing.*",
        "gateway.view_*",
        "accounts.*_user",
        "accounts.*_apikey",
        "accounts.*_ceiling",
        "accounts.view_auditentry",
        "rainymodel_site.*_alert*",
    ),
    Role.DEVELOPER: (
        *(f"routing.view_{name}" for name in CATALOGUE),
        "gateway.view_requestlog",
        "gateway.view_worker",
    ),
    Role.RESEARCHER: (),  # own keys and own usage have their own pages, outside the admin
    Role.VIEWER: (),
    Role.SERVICE: (),
}


class RoleBackend(BaseBackend):
    """Django's questions about permissions, answered from the user's role. Signs nobody in by password."""

    def get_user(self, user_id: Any) -> User | None:
        """The session's user, as long as the account is active."""
        return User.objects.filter(pk=user_id, is_active=True).first()

    def get_all_permissions(self, user_obj: Any, obj: models.Model | None = None) -> set[str]:
        """Every permission of the user's role; none for single objects and for inactive users."""
        if obj is not None or not user_obj.is_active or user_obj.is_anonymous:
            return set()
        return set(permissions_of(user_obj.role))

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Whether the role may see anything of an app."""
        return any(name.startswith(f"{app_label}.") for name in self.get_all_permissions(user_obj))


@cache
def permissions_of(role: str) -> frozenset[str]:
    """The role's permissions among those that exist; an unknown role has none."""
    return frozenset(
        name for name in every_permission() if any(fnmatchcase(name, grant) for grant in GRANTS.get(role, ()))
    )


def every_permission() -> frozenset[str]:
    """All permissions the installed models define, as `app.codename`."""
    return frozenset(name for model in apps.get_models() for name in permissions_for(model))


def permissions_for(model: type[models.Model]) -> list[str]:
    """A model's default permissions and its own."""
    options = model._meta
    defaults = [f"{action}_{options.model_name}" for action in options.default_permissions]
    own = [codename for codename, _ in options.permissions]
    return [f"{options.app_label}.{codename}" for codename in (*defaults, *own)]
