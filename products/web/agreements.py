"""The pages of agreements: what the account agreed to, exactly as it was kept (R5)."""

import json
from datetime import datetime

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.authentication import actor_of
from accounts.errors import NotFound
from accounts.lists import ListForm, page_of
from accounts.policy import decide
from accounts.queries import account_for
from accounts.roles import Permission
from products.enablement.models import Enablement
from products.enablement.queries import agreements_of, matching_agreements
from products.enablement.verification import is_as_agreed

KINDS = {
    Enablement.Source.DIRECT: "Purchase",
    Enablement.Source.TRIAL: "Trial",
    Enablement.Source.PACKAGE: "Package",
    Enablement.Source.CONTRACT: "Contract",
}


class AgreementListForm(ListForm):
    """The search and filters of the list of agreements."""

    kind = forms.ChoiceField(
        label="Kind", required=False, choices=[("", "Any"), *KINDS.items()]
    )
    effect = forms.ChoiceField(
        label="In effect",
        required=False,
        choices=[("", "Now or earlier"), ("now", "Now"), ("ended", "Earlier")],
    )
    sort = forms.ChoiceField(
        label="Order",
        required=False,
        choices=[("", "Newest first"), ("old", "Oldest first")],
    )


@login_required
@require_GET
def agreements(request: HttpRequest) -> HttpResponse:
    """List what the account agreed to."""
    account = account_for(actor_of(request), Permission.BILLING_READ)
    search = AgreementListForm(request.GET)
    found = agreements_of(account)
    if text := search.chosen("q"):
        found = matching_agreements(found, text)
    if kind := search.chosen("kind"):
        found = found.filter(source=kind)
    if effect := search.chosen("effect"):
        found = found.filter(ends_at__isnull=effect == "now")
    orders = {"old": ("starts_at", "pk")}
    order = orders.get(search.chosen("sort"), ("-starts_at", "pk"))
    page = page_of(request, found, order=order)
    context = {
        "search": search,
        "page": page,
        "rows": [{"row": row, "kind": _kind(row)} for row in page.rows],
    }
    return render(request, "billing/agreements.html", context)


@login_required
@require_GET
def agreement(request: HttpRequest, enablement_id: str) -> HttpResponse:
    """Show one agreement: the sentence, the record it was made from, and their hashes."""
    actor = actor_of(request)
    account = account_for(actor, Permission.BILLING_READ)
    row = agreements_of(account).filter(pk=enablement_id).first()
    if row is None:
        raise NotFound("Agreement not found.")
    is_intact = is_as_agreed(row)
    record = json.loads(row.agreed_record) if is_intact and row.agreed_record else None
    for price in record["prices"] if record else ():
        price["since"] = datetime.fromisoformat(price["effective_from"])
    context = {
        "row": row,
        "kind": _kind(row),
        "is_intact": is_intact,
        "may_read_trail": decide(actor, Permission.AUDIT_READ, account).allowed,
        "record": record,
    }
    return render(request, "billing/agreement.html", context)


def _kind(row: Enablement) -> str:
    return KINDS[Enablement.Source(row.source)]
