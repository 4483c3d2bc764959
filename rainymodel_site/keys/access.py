"""Who may use these pages: everybody with a role that may sign in and call."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.models import Role

ROLES = frozenset({Role.ADMIN, Role.DEVELOPER, Role.RESEARCHER})
View = Callable[..., HttpResponse]


def for_callers(view: View) -> View:
    """The view for people with one of ROLES. Others learn that they have no access, the unknown where to sign in."""

    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if request.user.role not in ROLES:
            return render(request, "accounts/sign_in.html", {"may_call": False}, status=403)
        return view(request, *args, **kwargs)

    return guarded
