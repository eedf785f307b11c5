"""Django's app configuration of the portal and of its admin site."""

import atexit
import gc

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as StockAdminConfig


class PortalConfig(AppConfig):
    """The portal: start-up checks and the operator's commands."""

    name = "portal"

    def ready(self) -> None:
        """Register the start-up checks, and the sentences about invalid fields."""
        from portal import checks  # noqa: F401, PLC0415 - the apps must be loaded before
        from portal.field_messages import use_own_messages  # noqa: PLC0415

        use_own_messages()
        # At its end Python searches all that is loaded for garbage: a quarter of a command's time.
        atexit.register(gc.freeze)


class AdminConfig(StockAdminConfig):
    """Django's admin with the portal's own site."""

    default_site = "portal.admin_site.AdminSite"
