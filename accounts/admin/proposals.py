"""Proposals of staff in the admin: another member of staff approves or declines them."""

from functools import partial
from typing import Final

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.admin_pages import ReadOnlyAdmin, ReasonForm, row_or_404
from accounts.commands.proposals import approve, decline
from accounts.models import Proposal

STATES: Final = ("open", "approved", "declined", "expired")


class ApproveForm(forms.Form):
    """The page shows the proposal above it."""

    understood = forms.BooleanField(label="I have checked this proposal")

    def clean(self) -> dict[str, object]:
        """Return nothing: the command needs no more than the proposal."""
        return {}


class DeclineProposalForm(ReasonForm):
    """Why a proposal is declined: an entry of the platform's trail, which accounts can't read."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # Django's own arguments
        self.fields["reason"].help_text = "Staff can read it in the audit trail."


class StateFilter(admin.SimpleListFilter):
    """Open, approved, declined or expired."""

    title = "state"
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: object
    ) -> list[tuple[str, str]]:
        """Return the choices."""
        return [(each, each.capitalize()) for each in STATES]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Proposal]
    ) -> QuerySet[Proposal]:
        """Return the proposals in the chosen state."""
        now, chosen = timezone.now(), self.value()
        if chosen == "open":
            return queryset.filter(outcome="", expires_at__gt=now)
        if chosen == "expired":
            return queryset.filter(outcome="", expires_at__lte=now)
        return queryset.filter(outcome=chosen) if chosen in STATES else queryset


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin):
    """What staff proposed, and who decided it."""

    trail_type = "proposal"
    list_display = (
        *("title", "account", "state", "proposed_by", "proposed_at", "expires_at"),
        "decided_by",
    )
    list_filter = (StateFilter,)
    list_select_related = ("account", "proposed_by", "decided_by")
    search_fields = ("summary", "=account__id", "account__name")
    search_help_text = "A part of the proposal or of the account's name, or its ID"
    ordering = ("-proposed_at", "-pk")
    fields = readonly_fields = (
        *("title", "summary", "account", "reason", "state"),
        *("proposed_by", "proposed_at", "expires_at"),
        *("decided_by", "decided_at", "decision_reason"),
    )
    change_form_template = "admin/accounts/proposal.html"
    own_pages = (
        ("<str:proposal_id>/approve/", "approve_view", "accounts_proposal_approve"),
        ("<str:proposal_id>/decline/", "decline_view", "accounts_proposal_decline"),
    )

    @admin.display(description="proposal")
    def title(self, proposal: Proposal) -> str:
        """Return the first line of the summary."""
        return proposal.title

    @admin.display(description="state")
    def state(self, proposal: Proposal) -> str:
        """Return one of STATES."""
        if proposal.outcome:
            return proposal.outcome
        return "open" if proposal.is_open(timezone.now()) else "expired"

    def row_context(self, request: HttpRequest, row: Proposal) -> dict[str, object]:
        """Return what can be done about a proposal."""
        is_own = row.proposed_by_id == request.user.pk
        return {"is_open": row.is_open(timezone.now()), "is_own": is_own}

    def approve_view(self, request: HttpRequest, proposal_id: str) -> HttpResponse:
        """Approve a proposal, which carries it out."""
        proposal = self._proposal(proposal_id)
        return self.command_form_view(
            request,
            ApproveForm(request.POST or None),
            partial(approve, proposal=proposal),
            title=f"Approve: {proposal.title}",
            button="Approve and carry out",
            done=lambda _: f"Approved and carried out: {proposal.title}",
            back=proposal,
            template="admin/accounts/approve.html",
            context={"proposal": proposal},
        )

    def decline_view(self, request: HttpRequest, proposal_id: str) -> HttpResponse:
        """Decline a proposal, or withdraw one's own, with a reason."""
        proposal = self._proposal(proposal_id)
        own = proposal.proposed_by_id == request.user.pk
        return self.command_form_view(
            request,
            DeclineProposalForm(request.POST or None),
            partial(decline, proposal=proposal),
            title=f"{'Withdraw' if own else 'Decline'}: {proposal.title}",
            button=f"{'Withdraw' if own else 'Decline'} proposal",
            done=lambda _: f"{'Withdrew' if own else 'Declined'}: {proposal.title}",
            back=proposal,
        )

    def _proposal(self, proposal_id: str) -> Proposal:
        rows = Proposal.objects.select_related("proposed_by", "account")
        return row_or_404(rows, proposal_id)
