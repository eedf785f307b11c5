"""Webhooks of an account and their deliveries, for those who may see them."""

from typing import Final

from django.db.models import Q, QuerySet

from accounts.actor import Actor
from accounts.errors import NotFound
from accounts.policy import require
from accounts.queries import account_of
from accounts.roles import Permission
from products.webhooks.models import Delivery, Webhook

STATES: Final = {
    "active": Q(paused_at=None, failing_since=None),
    "failing": Q(paused_at=None, failing_since__isnull=False),
    "paused": Q(paused_at__isnull=False),
}
# What came of an attempt to deliver an entry.
RESULTS: Final = {
    "waiting": Q(attempted_at=None),
    "delivered": Q(attempted_at__isnull=False, problem=""),
    "failed": ~Q(problem=""),
}


def state_of(webhook: Webhook) -> str:
    """Return the name of a webhook's state in STATES."""
    if webhook.is_paused:
        return "paused"
    return "active" if webhook.failing_since is None else "failing"


def webhooks_of(actor: Actor) -> "QuerySet[Webhook]":
    """Return the account's webhooks, by URL. Raises Forbidden."""
    account = account_of(actor)
    require(actor, Permission.WEBHOOK_READ, account)
    rows = Webhook.objects.select_related("account").filter(account=account)
    return rows.order_by("url", "pk")


def webhook_of(actor: Actor, webhook_id: str) -> Webhook:
    """Return one webhook. Raises Forbidden, and NotFound if the account has no such webhook."""
    webhook = webhooks_of(actor).filter(pk=webhook_id).first()
    if webhook is None:
        raise NotFound("Webhook not found.")
    return webhook


def deliveries_of(webhook: Webhook) -> "QuerySet[Delivery]":
    """Return the deliveries, newest first."""
    return Delivery.objects.filter(webhook=webhook).order_by("-pk")
