"""`/.well-known/security.txt` (RFC 9116): where to report a vulnerability."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

PATH = ".well-known/security.txt"
LIFETIME = timedelta(days=180)  # the RFC advises less than a year


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """Return the file; it is valid for half a year from today."""
    expires_on = timezone.now().date() + LIFETIME
    lines = [
        f"Contact: {settings.SECURITY_CONTACT}",
        f"Expires: {expires_on.isoformat()}T00:00:00Z",
        f"Canonical: {settings.PORTAL_URL}/{PATH}",
        "Preferred-Languages: en",
    ]
    return HttpResponse(
        "".join(f"{line}\n" for line in lines),
        content_type="text/plain; charset=utf-8",
    )
