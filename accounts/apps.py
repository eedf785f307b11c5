"""Django's registration of the accounts storey."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Accounts, people, roles and tokens."""

    name = "accounts"
    verbose_name = "Accounts"
