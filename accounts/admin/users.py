"""Users in the admin: who they are and their role. There are no passwords."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.admin.forms import UserForm
from accounts.admin.keys import LIMIT_FIELDS
from accounts.models import User


class UserAdmin(ModelAdmin):
    """People come from the sign-in; services are added here."""

    form = UserForm
    list_display = ("username", "email", "role_label", "active", "last_sign_in")
    list_filter = ("role", "is_active")
    search_fields = ("username", "email", "first_name", "last_name")
    ordering = ("username",)
    readonly_fields = ("issuer", "subject", "last_sign_in", "date_joined")
    fieldsets = (
        (None, {"fields": (("username", "email"), ("first_name", "last_name"))}),
        ("Access", {"fields": ("role", "is_active")}),
        ("How much, with all keys together", {"fields": LIMIT_FIELDS}),
        ("Sign-in", {"fields": (("last_sign_in", "date_joined"), ("issuer", "subject"))}),
    )
    add_fieldsets = fieldsets[:3]

    @display(description="Role", ordering="role", label={"Admin": "info", "Service": "primary"})
    def role_label(self, user: User) -> str:
        """The role, in a word."""
        return user.get_role_display()

    @display(description="Active", ordering="is_active", boolean=True)
    def active(self, user: User) -> bool:
        """Whether the account works."""
        return user.is_active

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form needs to know who is filling it in."""
        form = super().get_form(request, obj, change=change, **kwargs)
        form.acting_user = request.user
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """A user name is what the audit knows somebody by, so it stays."""
        return (*self.readonly_fields, "username") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Users are switched off, not deleted: logs and the audit refer to them."""
        return False
