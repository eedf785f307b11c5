"""What is on, for staff; plans and prices, which touch the accounts that are under them."""

from decimal import Decimal, InvalidOperation

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.admin_pages import ReadOnlyAdmin
from accounts.authentication import staff_actor_of
from accounts.errors import Invalid
from accounts.models import Account
from products.catalogue.admin import TierInline
from products.catalogue.commands import NewPrice
from products.catalogue.models import Plan, PriceVersion
from products.catalogue.money import nanos
from products.catalogue.tiers import PriceTier
from products.enablement.commands import assign_package, change_price, remove_package
from products.enablement.models import Enablement, ProductRequest, ServiceProduct

METERS = {
    "connection_time": (1_000_000, "million minutes"),
    "bandwidth": (1_000_000_000, "GB"),
}


class PriceForm(forms.Form):
    """A plan's next price."""

    currency = forms.RegexField("[A-Z]{3}", initial="USD", max_length=3)
    meter = forms.ChoiceField(
        choices=[
            ("connection_time", "Connection time, per million minutes"),
            ("bandwidth", "Bandwidth, per GB"),
        ]
    )
    tiers = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="A tier a line: where it ends, in whole units, and the price of a unit, such as "
        "“10 0.60”; the last line has the price alone.",
    )
    effective_from = forms.DateTimeField(
        help_text="In UTC, such as 2026-12-01 00:00. The price in force ends then."
    )

    def clean_tiers(self) -> tuple[PriceTier, ...]:
        """Return the ladder; the command checks that it rises."""
        steps = []
        for line in self.cleaned_data["tiers"].splitlines():
            *bound, price = line.split() or [""]
            try:
                steps.append(
                    PriceTier(int(bound[0]) if bound else None, nanos(Decimal(price)))
                )
            except (ValueError, InvalidOperation, IndexError) as error:
                raise forms.ValidationError(f"“{line}” is no tier.") from error
        return tuple(steps)


class AssignForm(forms.Form):
    """Which account gets the package's product."""

    account = forms.CharField(max_length=22, label="Account’s id")
    reason = forms.CharField(max_length=500, required=False)


class RemoveForm(forms.Form):
    """Why a product of a package is taken away."""

    reason = forms.CharField(max_length=500, help_text="The account’s people read it.")


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """Plans; their prices are published, and their packages assigned, by forms of their own."""

    list_display = ("name", "product", "kind", "retired_at")
    list_filter = ("kind",)
    list_select_related = ("product",)
    search_fields = ("name", "product__name")
    ordering = ("product__position", "kind", "name")
    change_form_template = "admin/enablement/plan.html"

    def get_urls(self) -> list[URLPattern]:
        """Put the forms before the stock pages."""
        view = self.admin_site.admin_view
        return [
            path(
                "<str:plan_id>/price/", view(self.price_view), name="enablement_price"
            ),
            path(
                "<str:plan_id>/assign/",
                view(self.assign_view),
                name="enablement_assign",
            ),
            *super().get_urls(),
        ]

    def price_view(self, request: HttpRequest, plan_id: str) -> HttpResponse:
        """Publish the plan's next price; each account under it has it in its trail."""
        plan = self._plan(plan_id)

        def carry_out(form: forms.Form) -> str:
            unit_size, unit_name = METERS[form.cleaned_data["meter"]]
            price = NewPrice(
                currency=form.cleaned_data["currency"],
                meter=form.cleaned_data["meter"],
                unit_size=unit_size,
                unit_name=unit_name,
                steps=form.cleaned_data["tiers"],
            )
            made = change_price(
                staff_actor_of(request),
                plan=plan,
                price=price,
                effective_from=form.cleaned_data["effective_from"],
                now=timezone.now(),
            )
            return f"{made} is published."

        return self.command_form_view(
            request,
            PriceForm(request.POST or None),
            carry_out,
            title=f"Publish a price of {plan}",
            button="Publish the price",
            back=reverse("admin:catalogue_plan_change", args=[plan.pk]),
        )

    def assign_view(self, request: HttpRequest, plan_id: str) -> HttpResponse:
        """Give an account the product of a package."""
        plan = self._plan(plan_id)

        def carry_out(form: forms.Form) -> str:
            account = Account.objects.filter(pk=form.cleaned_data["account"]).first()
            if account is None:
                raise Invalid("There is no account of this id.", field="account")
            assign_package(
                staff_actor_of(request),
                account=account,
                plan=plan,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            return f"{account} has {plan.product} now."

        return self.command_form_view(
            request,
            AssignForm(request.POST or None),
            carry_out,
            title=f"Assign {plan.product} in {plan}",
            button="Assign it",
            back=reverse("admin:enablement_enablement_changelist"),
        )

    def _plan(self, plan_id: str) -> Plan:
        found = Plan.objects.select_related("product").filter(pk=plan_id).first()
        if found is None:
            raise Http404
        return found


@admin.register(PriceVersion)
class PriceVersionAdmin(ReadOnlyAdmin):
    """Every price there was; never changed, only followed by the next."""

    list_display = (
        "plan",
        "number",
        "currency",
        "unit_name",
        "effective_from",
        "effective_to",
        "is_example",
    )
    list_select_related = ("plan",)
    ordering = ("plan__name", "-number")
    inlines = (TierInline,)


@admin.register(Enablement)
class EnablementAdmin(ReadOnlyAdmin):
    """What was on, for whom, from when to when, with the text agreed to."""

    list_display = (
        "account",
        "product",
        "source",
        "starts_at",
        "ends_at",
        "started_by",
        "ended_by",
    )
    list_filter = ("product", "source", ("ends_at", admin.EmptyFieldListFilter))
    list_select_related = ("account", "product")
    search_fields = ("=account__id", "account__name")
    ordering = ("-starts_at",)
    change_form_template = "admin/enablement/enablement.html"

    def get_urls(self) -> list[URLPattern]:
        """Put the form before the stock pages."""
        view = self.admin_site.admin_view
        return [
            path(
                "<str:enablement_id>/remove/",
                view(self.remove_view),
                name="enablement_remove",
            ),
            *super().get_urls(),
        ]

    def remove_view(self, request: HttpRequest, enablement_id: str) -> HttpResponse:
        """Take a product of a package from an account, with a reason."""
        held = (
            Enablement.objects.select_related("account", "product")
            .filter(pk=enablement_id)
            .first()
        )
        if held is None:
            raise Http404

        def carry_out(form: forms.Form) -> str:
            remove_package(
                staff_actor_of(request),
                account=held.account,
                product=held.product,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            return f"{held.account} has {held.product} no more."

        return self.command_form_view(
            request,
            RemoveForm(request.POST or None),
            carry_out,
            title=f"Take {held.product} from {held.account}",
            button="Take it away",
            back=reverse("admin:enablement_enablement_changelist"),
        )


@admin.register(ServiceProduct)
class ServiceProductAdmin(ReadOnlyAdmin):
    """What is switched on for which service."""

    list_display = ("service", "product", "starts_at", "ends_at", "started_by")
    list_filter = ("product",)
    list_select_related = ("service", "product")
    search_fields = ("=service__id", "service__name", "=service__account__id")
    ordering = ("-starts_at",)


@admin.register(ProductRequest)
class ProductRequestAdmin(ReadOnlyAdmin):
    """Who asked for what (R17)."""

    list_display = ("requested_at", "account", "product", "requested_by", "note")
    list_filter = ("product",)
    list_select_related = ("account", "product")
    ordering = ("-requested_at",)
