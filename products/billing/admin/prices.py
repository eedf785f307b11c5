"""Plans, and the page on which staff publish a price after a preview of what it changes."""

from functools import partial
from http import HTTPStatus

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone

from accounts.admin_pages import ReadOnlyAdmin, admin_url, row_or_404
from accounts.authentication import staff_actor_of
from accounts.commands.proposals import needs_approval, proposed
from accounts.errors import Invalid
from accounts.models import Account
from products.billing.price_form import PriceEntry
from products.billing.queries.price_preview import PricePreview
from products.catalogue.commands import add_plan
from products.catalogue.models import Plan
from products.catalogue.queries import on_sale
from products.enablement.commands import change_price
from products.enablement.commands.proposals import propose_price


class OwnPlanForm(forms.Form):
    """A product for which an account gets prices of its own."""

    product = forms.ModelChoiceField(on_sale(), empty_label="Choose a product")
    name = forms.CharField(label="Name of the plan", max_length=80)


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """Plans; prices are published and packages assigned by separate forms."""

    trail_type = "plan"
    list_display = ("name", "product", "account", "kind", "retired_at")
    list_filter = ("kind",)
    list_select_related = ("product", "account")
    search_fields = ("name", "product__name", "account__name")
    search_help_text = "A part of the name of the plan, its product or its account"
    ordering = ("product__position", "kind", "name")
    change_form_template = "admin/billing/plan.html"
    own_pages = (
        ("<str:plan_id>/price/", "price_view", "billing_plan_price"),
        ("own/<str:account_id>/", "own_plan_view", "billing_own_plan"),
    )

    def price_view(self, request: HttpRequest, plan_id: str) -> HttpResponse:
        """Show what a price changes and for whom; publish it if that was seen."""
        plan = row_or_404(Plan, plan_id)
        entry = PriceEntry(plan, request.POST or None, now=timezone.now())
        back = admin_url(plan)
        preview = None
        if request.method == "POST" and entry.is_valid():
            try:
                preview = entry.preview()
                if request.POST.get("publish") == preview.seen:
                    title = f"Publish a price of {plan}"
                    asked = self.reauthentication(request, title)
                    return asked or self._publish(request, entry, preview, back)
            except Invalid as refusal:
                is_field = refusal.field in entry.form.fields
                entry.form.add_error(
                    refusal.field if is_field else None, refusal.message
                )
        context = self.admin_site.each_context(request) | {
            "title": f"Publish a price of {plan}",
            "entry": entry,
            "preview": preview,
            "changed": bool(preview and "publish" in request.POST),
            "button": "Propose price" if needs_approval() else "Publish price",
            "back": back,
            "back_label": plan,
            "opts": self.model._meta,  # noqa: SLF001 - Django's own name
        }
        is_wrong = entry.form.errors or entry.rows.total_error_count()
        status = HTTPStatus.BAD_REQUEST if is_wrong else HTTPStatus.OK
        return render(request, "admin/billing/price.html", context, status=status)

    def _publish(
        self,
        request: HttpRequest,
        entry: PriceEntry,
        preview: PricePreview,
        back: str,
    ) -> HttpResponse:
        actor = staff_actor_of(request)
        if needs_approval():
            proposal = propose_price(
                actor,
                plan=entry.plan,
                price=entry.price,
                effective_from=entry.effective_from,
                lines=_summary(preview),
                now=entry.now,
            )
            messages.success(request, proposed(proposal))
            return HttpResponseRedirect(back)
        version = change_price(
            actor,
            plan=entry.plan,
            price=entry.price,
            effective_from=entry.effective_from,
            now=entry.now,
        )
        messages.success(request, f"Published {version}.")
        return HttpResponseRedirect(back)

    def own_plan_view(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Add a plan with an account's own prices."""
        account = row_or_404(Account, account_id)
        return self.command_form_view(
            request,
            OwnPlanForm(request.POST or None, initial={"name": f"{account} contract"}),
            partial(add_plan, account=account, kind=Plan.Kind.DIRECT),
            title=f"Add prices for {account} alone",
            button="Add plan",
            done=lambda plan: f"Added the plan {plan}. It counts once it has a price.",
            back=account,
        )


def _summary(preview: PricePreview) -> list[str]:
    """Return the lines of a proposal: the price, and what it changes for all accounts together."""
    return [
        *(f"{row.label}: {row.amount}" for row in preview.new),
        f"Accounts that it touches: {len(preview.changes)}",
        *(f"Estimated per month: {total.text}" for total in preview.totals),
    ]
