"""The parts that a user removed from a draft and can restore, kept in the session.

They are kept until the session ends, or until the version is no longer a draft.
"""

from dataclasses import asdict
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.authentication import actor_of
from accounts.errors import Conflict, Invalid, NotFound
from products.services.commands.parts import RemovedPart, restore_part
from products.services.kinds import KINDS
from products.services.models import Version
from products.services.queries import get_version

SESSION_KEY: Final = "removed_parts"
MAX_REMOVED: Final = 20  # of all versions; a session is read with each request
MAX_VALUES_LENGTH: Final = 50_000  # larger parts, such as whole VCL files, are not kept


def remember(request: HttpRequest, version: Version, removed: RemovedPart) -> bool:
    """Keep a removed part, so that it can be restored; return False if it is too large."""
    if len(str(removed.values)) > MAX_VALUES_LENGTH:
        return False
    entry = {"version": version.pk, **asdict(removed)}
    request.session[SESSION_KEY] = [*_entries(request), entry][-MAX_REMOVED:]
    return True


def removed_from(request: HttpRequest, version: Version) -> list[dict[str, Any]]:
    """Return the removed parts of a draft, the last one first."""
    if version.locked:
        return []
    return [
        {
            "kind": KINDS[each["kind"]],
            "name": each["name"],
            "public_id": each["public_id"],
        }
        for each in reversed(_entries(request))
        if each["version"] == version.pk
    ]


def _entries(request: HttpRequest) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = request.session.get(SESSION_KEY, [])
    return kept


@login_required
@require_POST
def restore(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Restore a part that was removed from a draft. Raises NotFound if it is not kept."""
    actor = actor_of(request)
    version = get_version(actor, service_id, number)
    wanted = version.pk, request.POST.get("part", "")
    entries = _entries(request)
    entry = next(
        (each for each in entries if (each["version"], each["public_id"]) == wanted),
        None,
    )
    if entry is None:
        raise NotFound("This part can no longer be restored. Add it again.")
    values = {name: value for name, value in entry.items() if name != "version"}
    try:
        row = restore_part(
            actor, version=version, removed=RemovedPart(**values), now=timezone.now()
        )
        request.session[SESSION_KEY] = [each for each in entries if each != entry]
        name = str(row) if row.declared.has_name else ""
        messages.success(request, f"{row.declared.label} {name}".strip() + " restored.")
    except (Conflict, Invalid) as refused:
        messages.error(request, refused.message)
    return redirect("version", service_id=service_id, number=number)
