"""Proposals of staff in the admin: another member of staff approves or declines them."""

from functools import partial

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.admin_pages import ReadOnlyAdmin, ReasonForm, row_or_404
from accounts.commands.proposals import approve, decline
from accounts.models import Proposal


class ApproveForm(forms.Form):
    """What is approved, as it was proposed."""

    understood = forms.BooleanField(label="I have checked this proposal")

    def __init__(self, *args: object, proposal: Proposal) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # Django's own arguments
        proposer = f"Proposed by {proposal.proposed_by}"
        reason = f": {proposal.reason}" if proposal.reason else ""
        self.fields["understood"].help_text = f"{proposal.summary}\n{proposer}{reason}"

    def clean(self) -> dict[str, object]:
        """Return nothing: the command needs no more than the proposal."""
        return {}


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin):
    """What staff proposed, and who decided it."""

    trail_type = "proposal"
    list_display = (
        *("title", "account", "state", "proposed_by", "proposed_at", "expires_at"),
        "decided_by",
    )
    list_filter = ("outcome", "kind")
    list_select_related = ("account", "proposed_by", "decided_by")
    search_fields = ("summary", "=account__id", "account__name")
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
        """Return whether it waits, was decided, or has expired."""
        if proposal.outcome:
            return proposal.get_outcome_display()
        return "waits" if proposal.is_open(timezone.now()) else "expired"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Show a proposal, with what can be done about it."""
        proposal = Proposal.objects.filter(pk=object_id).first()
        is_open = proposal is not None and proposal.is_open(timezone.now())
        own = proposal is not None and proposal.proposed_by_id == request.user.pk
        context = {"is_open": is_open, "is_own": own} | (extra_context or {})
        return super().change_view(request, object_id, form_url, context)

    def approve_view(self, request: HttpRequest, proposal_id: str) -> HttpResponse:
        """Approve a proposal, which carries it out."""
        proposal = self._proposal(proposal_id)
        return self.command_form_view(
            request,
            ApproveForm(request.POST or None, proposal=proposal),
            partial(approve, proposal=proposal),
            title=f"Approve: {proposal.title}",
            button="Approve and carry out",
            done=lambda _: f"Approved and carried out: {proposal.title}",
            back=proposal,
        )

    def decline_view(self, request: HttpRequest, proposal_id: str) -> HttpResponse:
        """Decline a proposal, with a reason."""
        proposal = self._proposal(proposal_id)
        return self.command_form_view(
            request,
            ReasonForm(request.POST or None),
            partial(decline, proposal=proposal),
            title=f"Decline: {proposal.title}",
            button="Decline proposal",
            done=lambda _: f"Declined: {proposal.title}",
            back=proposal,
        )

    def _proposal(self, proposal_id: str) -> Proposal:
        rows = Proposal.objects.select_related("proposed_by", "account")
        return row_or_404(rows, proposal_id)
