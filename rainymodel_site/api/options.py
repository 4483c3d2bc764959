"""What the settings say of the management API: JSON only, one error shape, nothing open by default."""

from typing import Any

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rainymodel_site.api.authentication.ByKey",
        "rainymodel_site.api.authentication.BySession",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rainymodel_site.api.permissions.MayUse"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rainymodel_site.api.bodies.JsonBody"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "rainymodel_site.api.bodies.AlwaysTheFirst",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "rainymodel_site.api.envelope.answer_error",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "RainyModel management API",
    "DESCRIPTION": "Keys, usage, people and ceilings. Money is a decimal string in US dollars, times are UTC.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SCHEMA_PATH_PREFIX": "/api/",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {"RoleEnum": "accounts.models.Role", "ScopeEnum": "accounts.models.Ceiling.Scope"},
}
