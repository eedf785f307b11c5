"""Django's configuration of the app `accounts`."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Accounts, users, roles and tokens."""

    name = "accounts"
    verbose_name = "Accounts"
