"""Webhooks and their deliveries in the admin, read-only and without secrets."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.formats import localize
from django.utils.html import format_html

from accounts.admin_pages import NOTHING, ReadOnlyAdmin, account_link, admin_url
from accounts.audit.vocabulary import Event
from products.webhooks.commands.deliveries import TEST_EVENT
from products.webhooks.models import Delivery, Webhook
from products.webhooks.queries import RESULTS, STATES, state_of

EVENTS = {*Event, TEST_EVENT}


class WebhookStateFilter(admin.SimpleListFilter):
    """Filter by whether messages are accepted, fail, or are not sent."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [(each, each.capitalize()) for each in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Apply the choice."""
        return queryset.filter(STATES.get(self.value() or "", Q()))


class DeliveryStateFilter(admin.SimpleListFilter):
    """Filter by the result of an attempt."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [(each, each.capitalize()) for each in RESULTS]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Apply the choice."""
        return queryset.filter(RESULTS.get(self.value() or "", Q()))


def _at(at: datetime | None) -> str:
    """Return a time in words; Django formats the results of methods only in lists."""
    return NOTHING if at is None else str(localize(at))


def _last(result: str) -> Subquery:
    """Return the time of a webhook's last attempt with a result."""
    attempts = Delivery.objects.filter(RESULTS[result], webhook=OuterRef("pk"))
    return Subquery(attempts.order_by("-pk").values("attempted_at")[:1])


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    """Webhooks of all accounts."""

    trail_type = "webhook"
    list_display = (
        *("url", "account", "state", "topics"),
        *("last_success", "last_failure", "next_attempt"),
    )
    list_filter = (WebhookStateFilter,)
    list_select_related = ("account",)
    search_fields = ("url", "=id", "=account__id", "account__name")
    search_help_text = "A part of the URL or of the account's name, or an ID in full"
    ordering = ("account__name", "url", "pk")
    fields = readonly_fields = (
        *("id", "url", "account", "state", "failing_since", "attempts"),
        *("next_attempt", "last_success", "last_failure", "paused_at"),
        *("pause_reason", "topics", "created_at", "created_by"),
        "earlier_secret_until",
    )
    change_form_template = "admin/webhooks/webhook.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the webhooks with the times of their last success and failure."""
        timed: QuerySet = (
            super()
            .get_queryset(request)
            .annotate(succeeded_at=_last("delivered"), failed_at=_last("failed"))
        )
        return timed

    @admin.display(description="state")
    def state(self, webhook: Webhook) -> str:
        """Return whether messages are accepted, fail, or are not sent."""
        return state_of(webhook)

    @admin.display(description="events")
    def topics(self, webhook: Webhook) -> str:
        """Return the events that are sent."""
        return ", ".join(webhook.events) or "all"

    @admin.display(description="last success")
    def last_success(self, webhook: Any) -> str:
        """Return when the receiver last accepted a message."""
        return _at(webhook.succeeded_at)

    @admin.display(description="last failure")
    def last_failure(self, webhook: Any) -> str:
        """Return when an attempt last failed."""
        return _at(webhook.failed_at)

    @admin.display(description="next attempt")
    def next_attempt(self, webhook: Webhook) -> str:
        """Return when the message that failed is sent again."""
        return _at(webhook.due_at if state_of(webhook) == "failing" else None)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Attempts to deliver messages to all webhooks, newest first."""

    list_display = (
        *("created_at", "event", "linked_webhook", "account", "state"),
        *("attempt", "status", "problem", "next_attempt"),
    )
    list_filter = (DeliveryStateFilter,)
    list_select_related = ("webhook__account",)
    search_help_text = (
        "A part of the URL or of the account's name; or an event or an ID in full"
    )
    search_fields = ("event",)  # shows the field
    ordering = ("-pk",)
    fields = readonly_fields = (
        *("linked_webhook", "account", "event", "sequence", "state", "attempt"),
        *("is_resend", "created_at", "attempted_at", "duration_ms", "status"),
        *("problem", "next_attempt"),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Return the deliveries of an event, or to the webhooks that match.

        Django's search would compare the text with the URL and account of each delivery.
        """
        term = search_term.strip()
        if not term:
            return queryset, False
        if term in EVENTS:
            return queryset.filter(event=term), False
        found = Webhook.objects.filter(
            Q(url__icontains=term)
            | Q(pk=term)
            | Q(account=term)
            | Q(account__name__icontains=term)
        )
        return queryset.filter(webhook__in=found.values("pk")), False

    @admin.display(description="webhook")
    def linked_webhook(self, delivery: Delivery) -> str:
        """Return the webhook's URL, as a link to its page."""
        webhook = delivery.webhook
        return format_html('<a href="{}">{}</a>', admin_url(webhook), webhook)

    @admin.display(description="account")
    def account(self, delivery: Delivery) -> str:
        """Return the account's name, as a link to its page."""
        return account_link(delivery.webhook.account)

    @admin.display(description="state")
    def state(self, delivery: Delivery) -> str:
        """Return the result in a word."""
        if delivery.attempted_at is None:
            return "waiting"
        return "delivered" if delivery.is_delivered else "failed"

    @admin.display(description="next attempt")
    def next_attempt(self, delivery: Delivery) -> str:
        """Return when the message is sent, or sent again after the last attempt failed."""
        webhook = delivery.webhook
        if webhook.is_paused:
            return NOTHING
        is_last = (
            webhook.failing_since is not None
            and not delivery.is_test
            and not delivery.is_resend
            and delivery.attempt == webhook.attempts
            and delivery.created_at >= webhook.failing_since
        )
        is_due = is_last or delivery.attempted_at is None
        return _at(webhook.due_at if is_due else None)

    def trail_filter(self, row: Delivery) -> dict[str, str]:
        """Return the filter for the entries about the webhook."""
        return {"target_type": "webhook", "target": row.webhook_id}
