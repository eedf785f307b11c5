"""Template variables of every page: the user, the account, the navigation, the theme."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.authentication import current_membership, memberships_of
from accounts.roles import ROLE_PERMISSIONS, Permission, Role
from accounts.web.session import THEMES

# Label, URL name, and the permission without which the page would be empty.
NAVIGATION: tuple[tuple[str, str, Permission | None], ...] = (
    ("Home", "home", None),
    ("Products", "products", None),
    ("Services", "services", Permission.SERVICE_READ),
    ("Domains", "domains", Permission.DOMAIN_READ),
    ("Entitlements", "entitlements", None),
    ("Usage", "usage", Permission.STATS_READ),
    ("Billing", "billing", Permission.BILLING_READ),
    ("Activity", "activity", Permission.AUDIT_READ),
    ("Webhooks", "webhooks", Permission.WEBHOOK_READ),
    ("Members", "members", Permission.MEMBER_READ),
    ("Notices", "notices", None),
)


def theme_of(request: HttpRequest) -> str:
    """Return the theme that the browser has stored, or else the system's."""
    theme = request.COOKIES.get("theme", "")
    return theme if theme in THEMES else "system"


def page_context(request: HttpRequest) -> dict[str, Any]:
    """Return the variables; at most one query, whose result the view shares."""
    values: dict[str, Any] = {
        "theme": theme_of(request),
        "request_id": getattr(request, "id", ""),
        "now": timezone.now(),
        "nav": [],
        "person": None,
        "me": None,  # the same; a page may use `person` for another user
        "account": None,
        "accounts": [],
    }
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return values
    values["person"] = values["me"] = {
        "id": user.pk,
        "name": str(user),
        "email": user.email,
        "is_staff": user.is_staff,
    }
    here = current_membership(request)
    if here is None:
        return values
    values["account"] = {
        "id": here.account_id,
        "name": here.account.name,
        "role_label": here.role,
        "suspended": not here.account.is_active,
        "suspension_reason": here.account.suspension_reason,
    }
    values["accounts"] = [
        {"id": m.account_id, "name": m.account.name, "current": m.pk == here.pk}
        for m in memberships_of(request)
    ]
    # Annotated by `memberships_of`.
    unread: int = here.unread  # type: ignore[attr-defined]
    values["nav"] = _navigation(request, Role(here.role), counts={"notices": unread})
    return values


def _navigation(
    request: HttpRequest, role: Role, counts: Mapping[str, int]
) -> list[dict[str, Any]]:
    entries = []
    for label, name, permission in NAVIGATION:
        if permission is None or permission in ROLE_PERMISSIONS[role]:
            url = reverse(name)
            inside = url != "/" and request.path.startswith(url)
            current: bool | str = "page" if request.path == url else inside
            entries.append(
                {
                    "label": label,
                    "url": url,
                    "current": current,
                    "count": counts.get(name, 0),
                }
            )
    return entries
