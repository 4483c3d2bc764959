"""Django's entry for the accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, keys, audit."""

    name = "accounts"
    verbose_name = "People and keys"
    default_auto_field = "django.db.models.BigAutoField"
