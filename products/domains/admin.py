"""Domain claims, for staff: who has a name, and forms that move or end a claim."""

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.admin_pages import ReadOnlyAdmin
from accounts.authentication import staff_actor_of
from accounts.queries import account_with_id
from products.domains.commands import move_claim, revoke_claim
from products.domains.models import DomainClaim


class RevokeForm(forms.Form):
    """Why a claim is ended."""

    reason = forms.CharField(
        label="Reason",
        help_text="The account's members can read it.",
        widget=forms.Textarea({"rows": 3}),
    )


class MoveForm(forms.Form):
    """The account that gets a claim, and why."""

    account = forms.CharField(label="ID of the new account", max_length=22)
    reason = forms.CharField(
        label="Reason",
        help_text="The members of both accounts can read it.",
        widget=forms.Textarea({"rows": 3}),
    )


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
    ordering = ("name", "-verified_at", "pk")
    exclude = ("token",)
    change_form_template = "admin/domains/claim.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the forms, then Django's own."""
        view = self.admin_site.admin_view
        return [
            path("<str:claim_id>/move/", view(self.move_view), name="domains_move"),
            path(
                "<str:claim_id>/revoke/", view(self.revoke_view), name="domains_revoke"
            ),
            *super().get_urls(),
        ]

    def move_view(self, request: HttpRequest, claim_id: str) -> HttpResponse:
        """Move a verified claim to another account."""
        claim = self._claim(claim_id)

        def carry_out(form: forms.Form) -> str:
            account = account_with_id(form.cleaned_data["account"])
            moved = move_claim(
                staff_actor_of(request),
                claim=claim,
                to=account,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            return f"Moved {moved} to {account}."

        return self.command_form_view(
            request,
            MoveForm(request.POST or None),
            carry_out,
            title=f"Move {claim} from {claim.account} to another account",
            button="Move claim",
            back=reverse("admin:domains_domainclaim_change", args=[claim.pk]),
        )

    def revoke_view(self, request: HttpRequest, claim_id: str) -> HttpResponse:
        """End a claim."""
        claim = self._claim(claim_id)

        def carry_out(form: forms.Form) -> str:
            revoke_claim(
                staff_actor_of(request),
                claim=claim,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            return f"Ended the claim of {claim.account} on {claim}."

        return self.command_form_view(
            request,
            RevokeForm(request.POST or None),
            carry_out,
            title=f"End the claim of {claim.account} on {claim}",
            button="End claim",
            back=reverse("admin:domains_domainclaim_change", args=[claim.pk]),
        )

    def _claim(self, claim_id: str) -> DomainClaim:
        found = (
            DomainClaim.objects.select_related("account").filter(pk=claim_id).first()
        )
        if found is None:
            raise Http404
        return found
