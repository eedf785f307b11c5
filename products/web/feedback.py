"""Saying what was done, with the way to its entry in the trail for those who may read that."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.actor import Actor
from accounts.policy import decide
from accounts.queries import account_of
from accounts.roles import Permission


def success_with_audit_link(
    request: HttpRequest, actor: Actor, words: str, **filters: str
) -> None:
    """Say what was done; `filters` narrow the trail to it (`product`, `service`)."""
    if not decide(actor, Permission.AUDIT_READ, account_of(actor)).allowed:
        messages.success(request, words)
        return
    link = f"{reverse('activity')}?{urlencode(filters)}"
    messages.success(
        request, format_html('{} <a href="{}">See it in the trail</a>', words, link)
    )
