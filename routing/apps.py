"""Django's entry for the routing app."""

from django.apps import AppConfig


class RoutingConfig(AppConfig):
    """The catalogue."""

    name = "routing"
    verbose_name = "Catalogue"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Read the environment once, so that what cannot be read stops the start with its name."""
        from django.conf import settings

        from routing.environment import read_surroundings
        from routing.sealing import read_ring

        read_surroundings()
        read_ring(settings.SEALING_KEYS)
