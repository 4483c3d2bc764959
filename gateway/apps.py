"""Django's entry for the gateway app."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """The data plane and its log."""

    name = "gateway"
    verbose_name = "Gateway"
    default_auto_field = "django.db.models.BigAutoField"
