"""Django's registration of the portal and of its admin site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as StockAdminConfig


class PortalConfig(AppConfig):
    """The composition root; holds the start-up checks and the operator's commands."""

    name = "portal"

    def ready(self) -> None:
        """Register the start-up checks."""
        from portal import checks  # noqa: F401, PLC0415 - Django wants its apps loaded first


class AdminConfig(StockAdminConfig):
    """The stock admin behind the portal's own sign-in."""

    default_site = "portal.admin_site.AdminSite"
