"""/api/schema/ and /api/docs/: the API described, for admins and developers who are signed in."""

from typing import Any

from csp.decorators import csp_replace
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotAuthenticated

from rainymodel_site.api.authentication import ByKey, BySession
from rainymodel_site.api.permissions import IsStaffSession

# Swagger UI sets styles on its elements; scripts come from our own files alone.
SOURCES = {
    **settings.CONTENT_SECURITY_POLICY["DIRECTIVES"],
    "script-src": ["'self'"],
    "style-src": ["'self'", "'unsafe-inline'"],
}


@extend_schema(exclude=True)
class Schema(SpectacularJSONAPIView):
    """OpenAPI 3, as JSON."""

    authentication_classes = [ByKey, BySession]
    permission_classes = [IsStaffSession]


@method_decorator(csp_replace(SOURCES), name="dispatch")
@extend_schema(exclude=True)
class Reference(SpectacularSwaggerSplitView):
    """The schema to read and try, with nothing from other hosts."""

    authentication_classes = [ByKey, BySession]
    permission_classes = [IsStaffSession]
    url_name = "api:schema"

    def handle_exception(self, error: Exception) -> Any:
        """A browser that is not signed in goes to the sign-in."""
        if isinstance(error, NotAuthenticated):
            return redirect_to_login(self.request.get_full_path(), settings.LOGIN_URL)
        return super().handle_exception(error)
