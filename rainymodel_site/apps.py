"""The composition as a Django app, so that its commands and templates are found."""

from django.apps import AppConfig


class RainyModelConfig(AppConfig):
    """What starts the project: `serve` and the pages that need several apps."""

    name = "rainymodel_site"
    verbose_name = "RainyModel"

    def ready(self) -> None:
        """From here on, changes to what operators edit are audited."""
        from rainymodel_site import audit

        audit.connect()
