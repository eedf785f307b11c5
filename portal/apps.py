"""Django's registration of the portal and of its admin site."""

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig as StockAdminConfig

# Apps that bring stock pages on which one could write past every command and the trail.
WRITABLE = frozenset({"account", "auth", "mfa", "usersessions"})


class PortalConfig(AppConfig):
    """The composition root; holds the start-up checks and the operator's commands."""

    name = "portal"

    def ready(self) -> None:
        """Register the start-up checks."""
        from portal import checks  # noqa: F401, PLC0415 - Django wants its apps loaded first


class AdminConfig(StockAdminConfig):
    """The stock admin behind the portal's own sign-in."""

    default_site = "portal.admin_site.AdminSite"

    def ready(self) -> None:
        """Find every app's pages, and take down those that would write past the commands."""
        super().ready()
        registered = list(admin.site._registry)  # noqa: SLF001 - it has no other reader
        admin.site.unregister(
            [each for each in registered if each._meta.app_label in WRITABLE]  # noqa: SLF001
        )
