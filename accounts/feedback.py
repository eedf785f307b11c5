"""Success messages, with a link to the audit entries for users who may read them."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.actor import Actor
from accounts.audit.queries import entries_of_request
from accounts.errors import NotFound
from accounts.notices import notified_by
from accounts.policy import decide
from accounts.queries import account_of
from accounts.roles import Permission


def success_with_audit_link(
    request: HttpRequest, actor: Actor, message: str, **filters: str
) -> None:
    """Add a success message that names who is notified; `filters` (`product`, `service`) narrow the link."""
    names = notified_by(entries_of_request(actor.account_id, actor.context.request_id))
    if names:
        message = f"{message} Notified: {', '.join(names)}."
    if not _may_read_entries(actor):
        messages.success(request, message)
        return
    link = f"{reverse('activity')}?{urlencode(filters)}"
    messages.success(
        request, format_html('{} <a href="{}">View in Activity</a>', message, link)
    )


def _may_read_entries(actor: Actor) -> bool:
    try:
        return decide(actor, Permission.AUDIT_READ, account_of(actor)).allowed
    except NotFound:  # the actor has just left the account
        return False
