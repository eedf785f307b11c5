"""Domain claims, for staff: who has a name, and forms that move or end a claim."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from accounts.actor import Actor
from accounts.admin_pages import ReadOnlyAdmin, ReasonForm, row_or_404
from accounts.queries import account_with_id
from products.domains.commands import move_claim, revoke_claim
from products.domains.models import DomainClaim


class MoveForm(ReasonForm):
    """The account that gets a claim, and why."""

    account = forms.CharField(label="ID of the new account", max_length=22)
    field_order = ("account", "reason")


@admin.register(DomainClaim)
class DomainClaimAdmin(ReadOnlyAdmin):
    """All claims."""

    trail_type = "domain_claim"
    list_display = (
        "name",
        "account",
        "state",
        "method",
        "requested_at",
        "verified_at",
        "used_at",
    )
    list_filter = ("state", "method")
    list_select_related = ("account",)
    search_fields = ("name", "=account__id", "account__name")
    search_help_text = (
        "A part of the domain or of the account's name, or its ID in full"
    )
    ordering = ("name", "-verified_at", "pk")
    exclude = ("token",)
    change_form_template = "admin/domains/claim.html"
    own_pages = (
        ("<str:claim_id>/move/", "move_view", "domains_move"),
        ("<str:claim_id>/revoke/", "revoke_view", "domains_revoke"),
    )

    def move_view(self, request: HttpRequest, claim_id: str) -> HttpResponse:
        """Move a verified claim to another account."""
        claim = row_or_404(DomainClaim, claim_id)

        def command(actor: Actor, *, account: str, **typed: Any) -> DomainClaim:
            return move_claim(actor, claim=claim, to=account_with_id(account), **typed)

        return self.command_form_view(
            request,
            MoveForm(request.POST or None),
            command,
            title=f"Move {claim} from {claim.account} to another account",
            button="Move claim",
            done=lambda moved: f"Moved {moved} to {moved.account}.",
            back=claim,
        )

    def revoke_view(self, request: HttpRequest, claim_id: str) -> HttpResponse:
        """End a claim."""
        claim = row_or_404(DomainClaim, claim_id)
        return self.command_form_view(
            request,
            ReasonForm(request.POST or None),
            partial(revoke_claim, claim=claim),
            title=f"End the claim of {claim.account} on {claim}",
            button="End claim",
            done=lambda _: f"Ended the claim of {claim.account} on {claim}.",
            back=claim,
        )
