"""Django's configuration of the app `accounts`."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Accounts, users, roles and tokens."""

    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Connect what notes re-authentication and wrong codes."""
        # It imports models, which can be imported only when all apps are loaded.
        from accounts.web.login_signals import connect  # noqa: PLC0415

        connect()
