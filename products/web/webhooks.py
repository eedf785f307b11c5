"""The pages of webhooks: the list, one webhook with its log, and the forms."""

from http import HTTPStatus

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
)

from accounts.audit.reader import MAX_SEQUENCE, end_of, position_of
from accounts.audit.vocabulary import Event
from accounts.authentication import actor_of
from accounts.errors import LimitReached
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors, form_status
from accounts.lists import ListForm, page_of
from accounts.policy import decide, require
from accounts.queries import account_of
from accounts.reauthentication import require_reauthentication
from accounts.roles import Permission
from accounts.shown_once import keep_secret, take_secret
from products.webhooks.commands import (
    add_webhook,
    change_webhook,
    remove_webhook,
    replay_webhook,
    resend_message,
    rotate_secret,
    send_test_message,
)
from products.webhooks.commands.webhooks import MAX_OVERLAP_HOURS
from products.webhooks.models import MAX_URL_LENGTH, Webhook
from products.webhooks.queries import (
    RESULTS,
    STATES,
    deliveries_of,
    webhook_of,
    webhooks_of,
)

# What most receivers want; the API takes every event.
COMMON_EVENTS = (
    Event.PRODUCT_ENABLED,
    Event.PRODUCT_DISABLED,
    Event.SERVICE_PRODUCT_ENABLED,
    Event.SERVICE_PRODUCT_DISABLED,
    Event.VERSION_ACTIVATED,
    Event.VERSION_DEACTIVATED,
    Event.DEPLOYMENT_REFUSED,
    Event.BILL_CHANGED,
    Event.MEMBER_ROLE_CHANGED,
    Event.TOKEN_ISSUED,
)


class DeliveryFilterForm(ListForm):
    """Which deliveries of a webhook to list; the search is for a part of the event."""

    result = forms.ChoiceField(
        label="Result",
        required=False,
        choices=[("", "Any"), *((each, each.capitalize()) for each in RESULTS)],
    )


class WebhookForm(forms.Form):
    """A webhook's URL and events."""

    url = forms.CharField(
        label="URL",
        max_length=MAX_URL_LENGTH,
        help_text="Messages are sent here with POST, for example https://example.com/hooks.",
        widget=forms.URLInput({"autocomplete": "off", "data-not-kept": ""}),
    )
    events = forms.MultipleChoiceField(
        label="Events",
        required=False,
        help_text="Choose none to get all.",
        widget=forms.CheckboxSelectMultiple,
    )
    paused = forms.BooleanField(
        label="Paused",
        required=False,
        help_text="Nothing is sent. Later it continues where it stopped.",
    )

    def __init__(self, *args: object, events: list[str], is_new: bool) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        names = dict.fromkeys([*(each.value for each in COMMON_EVENTS), *events])
        self.fields["events"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
        if is_new:
            del self.fields["paused"]


class ReplayForm(forms.Form):
    """The sequence after which to send again."""

    after = forms.IntegerField(
        label="Send again after entry",
        min_value=0,
        max_value=MAX_SEQUENCE,
        help_text="All later entries are sent again, in order. 0 is the whole trail.",
    )


class RotateForm(forms.Form):
    """For how long messages are signed with the earlier secret too."""

    overlap_hours = forms.IntegerField(
        label="Hours during which the earlier secret stays valid",
        min_value=0,
        max_value=MAX_OVERLAP_HOURS,
        initial=24,
        help_text="Give your servers the new secret within this time. 0 ends the earlier one now.",
    )


class WebhookListForm(ListForm):
    """The search and filters of the list of webhooks."""

    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[("", "Any"), *((each, each.capitalize()) for each in STATES)],
    )
    sort = forms.ChoiceField(
        label="Order",
        required=False,
        choices=[("", "By URL"), ("new", "Newest first")],
    )


@require_GET
@login_required
def webhooks(request: HttpRequest) -> HttpResponse:
    """List the account's webhooks."""
    actor = actor_of(request)
    end = end_of(actor.account_id)
    search = WebhookListForm(request.GET)
    found = webhooks_of(actor)
    if text := search.chosen("q"):
        found = found.filter(url__icontains=text)
    if state := search.chosen("state"):
        found = found.filter(STATES[state])
    orders = {"new": ("-created_at", "pk")}
    page = page_of(
        request, found, order=orders.get(search.chosen("sort"), ("url", "pk"))
    )
    rows = [
        {"row": row, "waiting": end - position_of(row.reader, row.account_id)}
        for row in page.rows
    ]
    managing = decide(actor, Permission.WEBHOOK_MANAGE, account_of(actor))
    context = {
        "search": search,
        "page": page,
        "rows": rows,
        "new_url": reverse("new_webhook") if managing.allowed else "",
    }
    return render(request, "webhooks/webhooks.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def new_webhook(request: HttpRequest) -> HttpResponse:
    """Add a webhook; the next page shows its signing secret once."""
    actor = actor_of(request)
    account = account_of(actor)
    require(actor, Permission.WEBHOOK_MANAGE, account)
    asked = require_reauthentication(request, "add a webhook")
    if asked is not None:
        return asked
    posted = request.method == "POST"
    form = WebhookForm(request.POST if posted else None, events=[], is_new=True)
    if posted and form.is_valid():
        with form_errors(form):
            added = add_webhook(
                actor,
                account=account,
                url=form.cleaned_data["url"],
                events=form.cleaned_data["events"],
                now=timezone.now(),
            )
            keep_secret(request, added.webhook.pk, added.secret)
            return redirect("webhook_created", added.webhook.pk)
    status = form_status(form) if posted else HTTPStatus.OK
    return render(request, "webhooks/new.html", {"form": form}, status=status)


@require_GET
@login_required
def webhook_created(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Show the signing secret of a webhook that was just added, once."""
    row = webhook_of(actor_of(request), webhook_id)
    context = {"webhook": row, "secret": take_secret(request, row.pk)}
    return render(request, "webhooks/created.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def webhook(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Show a webhook with its log; POST changes it."""
    actor = actor_of(request)
    row = webhook_of(actor, webhook_id)
    posted = request.method == "POST"
    if posted:
        asked = require_reauthentication(request, f"change the webhook {row.url}")
        if asked is not None:
            return asked
    initial = {"url": row.url, "events": row.events, "paused": row.is_paused}
    form = WebhookForm(
        request.POST if posted else None,
        None,
        "id_%s",
        None,
        initial,
        events=row.events,
        is_new=False,
    )
    if posted and form.is_valid():
        with form_errors(form):
            change_webhook(
                actor,
                webhook=row,
                url=form.cleaned_data["url"],
                events=form.cleaned_data["events"],
                is_paused=form.cleaned_data["paused"],
                now=timezone.now(),
            )
            success_with_audit_link(request, actor, "Saved.")
            return redirect("webhook", row.pk)
    status = form_status(form) if posted else HTTPStatus.OK
    return _page(request, row, form, ReplayForm(), status)


@require_http_methods(["GET", "POST"])
@login_required
def rotate_webhook_secret(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Ask for how long the earlier secret stays valid; POST replaces it, and shows the new one once."""
    actor = actor_of(request)
    row = webhook_of(actor, webhook_id)
    require(actor, Permission.WEBHOOK_MANAGE, row)
    asked = require_reauthentication(request, f"replace the secret of {row.url}")
    if asked is not None:
        return asked
    posted = request.method == "POST"
    form = RotateForm(request.POST if posted else None)
    if posted and form.is_valid():
        with form_errors(form):
            secret = rotate_secret(
                actor,
                webhook=row,
                overlap_hours=form.cleaned_data["overlap_hours"],
                now=timezone.now(),
            )
            keep_secret(request, row.pk, secret)
            return redirect("webhook_created", row.pk)
    status = form_status(form) if posted else HTTPStatus.OK
    context = {"webhook": row, "form": form}
    return render(request, "webhooks/rotate.html", context, status=status)


@require_POST
@login_required
def replay(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Send all entries after a sequence again."""
    actor = actor_of(request)
    row = webhook_of(actor, webhook_id)
    form = ReplayForm(request.POST)
    if form.is_valid():
        with form_errors(form):
            replay_webhook(
                actor,
                webhook=row,
                after=form.cleaned_data["after"],
                now=timezone.now(),
            )
            message = f"Entries after {form.cleaned_data['after']} are sent again."
            success_with_audit_link(request, actor, message)
            return redirect("webhook", row.pk)
    initial = {"url": row.url, "events": row.events, "paused": row.is_paused}
    whole = WebhookForm(
        None, None, "id_%s", None, initial, events=row.events, is_new=False
    )
    return _page(request, row, whole, form, form_status(form))


@require_POST
@login_required
def resend(request: HttpRequest, webhook_id: str, sequence: int) -> HttpResponse:
    """Send one entry again."""
    actor = actor_of(request)
    row = webhook_of(actor, webhook_id)
    resend_message(
        actor,
        webhook=row,
        sequence=min(sequence, MAX_SEQUENCE),
        now=timezone.now(),
    )
    messages.success(request, f"Entry {sequence} is sent again within a few seconds.")
    return redirect("webhook", row.pk)


@require_POST
@login_required
def send_test(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Send a test message and say what came of it."""
    actor = actor_of(request)
    row = webhook_of(actor, webhook_id)
    try:
        attempt = send_test_message(actor, webhook=row, now=timezone.now())
    except LimitReached as refused:
        messages.error(request, refused.message)
        return redirect("webhook", row.pk)
    if attempt.is_delivered:
        result = f"{attempt.status}, {attempt.duration_ms} ms"
        message = f"The server accepted the test message: {result}."
        success_with_audit_link(request, actor, message)
    else:
        message = f"The test message was not accepted. {attempt.problem}"
        messages.error(request, message)
    return redirect("webhook", row.pk)


@require_http_methods(["GET", "POST"])
@login_required
def delete_webhook(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Show what is removed; POST removes it."""
    actor = actor_of(request)
    row = webhook_of(actor, webhook_id)
    require(actor, Permission.WEBHOOK_MANAGE, row)
    asked = require_reauthentication(request, f"remove the webhook {row.url}")
    if asked is not None:
        return asked
    if request.method == "GET":
        return render(request, "webhooks/remove.html", {"webhook": row})
    remove_webhook(actor, webhook=row, now=timezone.now())
    success_with_audit_link(request, actor, f"Removed the webhook {row.url}.")
    return redirect("webhooks")


def _page(
    request: HttpRequest,
    row: Webhook,
    form: WebhookForm,
    replay_form: ReplayForm,
    status: HTTPStatus,
) -> HttpResponse:
    search = DeliveryFilterForm(request.GET)
    deliveries = deliveries_of(row).filter(
        RESULTS.get(search.chosen("result"), Q()),
        event__icontains=search.chosen("q"),
    )
    page = page_of(request, deliveries, order=("-pk",))
    end = end_of(row.account_id)
    position = position_of(row.reader, row.account_id)
    context = {
        "webhook": row,
        "managing": decide(actor_of(request), Permission.WEBHOOK_MANAGE, row),
        "form": form,
        "replay_form": replay_form,
        "search": search,
        "page": page,
        "deliveries": page.rows,
        "position": position,
        "waiting": end - position,
        "has_earlier_secret": row.earlier_secret_until is not None
        and timezone.now() < row.earlier_secret_until,
    }
    return render(request, "webhooks/webhook.html", context, status=status)
