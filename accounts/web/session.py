"""The choices of a browser session: the account and the theme."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.views.decorators.http import require_POST

from accounts.authentication import choose_account, memberships_of
from accounts.errors import NotFound
from accounts.return_page import safe_next

THEMES = frozenset({"system", "light", "dark"})
THEME_COOKIE_SECONDS = 365 * 24 * 3600


@require_POST
@login_required
def switch_account(request: HttpRequest) -> HttpResponse:
    """Switch to another account; raises NotFound for one that the user does not belong to.

    Forms opened earlier in another tab belong to the previous account. The changed CSRF token
    makes them fail, so that they do not change this account.
    """
    wanted = request.POST.get("account", "")
    found = next((m for m in memberships_of(request) if m.account_id == wanted), None)
    if found is None:
        raise NotFound("Account not found.")
    choose_account(request, found)
    rotate_token(request)
    messages.success(
        request, f"Switched to {found.account.name}. Your role here is {found.role}."
    )
    return HttpResponseRedirect("/")


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Store the theme in a cookie, and redirect to the page where it was chosen."""
    response = HttpResponseRedirect(safe_next(request))
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie(
            "theme",
            theme,
            max_age=THEME_COOKIE_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response
