"""What a person sets for their own browser: the account they act in, and the theme."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts.authentication import SESSION_ACCOUNT, memberships_of
from accounts.errors import NotFound

THEMES = frozenset({"system", "light", "dark"})
A_YEAR = 365 * 24 * 3600


@require_POST
@login_required
def switch_account(request: HttpRequest) -> HttpResponse:
    """Act in another account from now on; one that the person is not in does not exist.

    Forms that were opened before, in another tab, were about the account that is left: with the
    token changed they are refused, instead of being carried out in this one.
    """
    wanted = request.POST.get("account", "")
    found = next((m for m in memberships_of(request) if m.account_id == wanted), None)
    if found is None:
        raise NotFound("There is no such account.")
    request.session[SESSION_ACCOUNT] = found.account_id
    rotate_token(request)
    messages.success(request, f"You now act in {found.account.name}, as {found.role}.")
    return HttpResponseRedirect("/")


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme in a cookie, and go back to where it was chosen."""
    response = HttpResponseRedirect(safe_next(request))
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie(
            "theme",
            theme,
            max_age=A_YEAR,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


def safe_next(request: HttpRequest) -> str:
    """Return the page that a form came from, `/` for anything that leads away from the portal."""
    wanted = request.POST.get("next", "")
    inside = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if inside else "/"
