"""Enablements, plans, prices and requests, for staff."""

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.admin_pages import ReadOnlyAdmin
from accounts.authentication import staff_actor_of
from accounts.models import Account
from products.catalogue.admin import TierInline
from products.catalogue.commands import NewPrice
from products.catalogue.models import Plan, PriceVersion
from products.catalogue.tiers import METERS, PriceTier, parse_tiers
from products.enablement.commands import assign_package, change_price, remove_package
from products.enablement.models import Enablement, ProductRequest, ServiceProduct
from products.enablement.queries import assignable_plans


class PriceForm(forms.Form):
    """The next price of a plan."""

    currency = forms.RegexField("[A-Z]{3}", initial="USD", max_length=3)
    meter = forms.ChoiceField(
        choices=[
            (key, f"{meter.heading}, priced per {meter.unit_name}")
            for key, meter in METERS.items()
        ]
    )
    tiers = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="One tier per line: upper limit and unit price, e.g. 10 0.60. Omit the limit on "
        "the last line.",
    )
    effective_from = forms.DateTimeField(
        help_text="UTC, e.g. 2026-12-01 00:00. The current price ends then."
    )

    def clean_tiers(self) -> tuple[PriceTier, ...]:
        """Return the tiers; the command checks that they make a price."""
        try:
            return parse_tiers(self.cleaned_data["tiers"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class PlanChoice(forms.ModelChoiceField):
    """A choice of plans, each after its product."""

    def label_from_instance(self, obj: Plan) -> str:
        """Return the product and the plan."""
        return f"{obj.product}: {obj}"


class AssignForm(forms.Form):
    """Which package an account gets, and why."""

    plan = PlanChoice(
        Plan.objects.none(), label="Package", empty_label="Choose a package"
    )
    reason = forms.CharField(
        required=False, help_text="The account's members can read it."
    )

    def __init__(self, data: QueryDict | None, *, account: Account) -> None:
        super().__init__(data)
        field = self.fields["plan"]
        assert isinstance(field, PlanChoice)  # noqa: S101 - for the type alone
        field.queryset = assignable_plans(account)


class RemoveForm(forms.Form):
    """Why a package is removed."""

    reason = forms.CharField(help_text="The account's members can read it.")


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """Plans; prices are published and packages assigned by separate forms."""

    list_display = ("name", "product", "kind", "retired_at")
    list_filter = ("kind",)
    list_select_related = ("product",)
    search_fields = ("name", "product__name")
    ordering = ("product__position", "kind", "name")
    change_form_template = "admin/enablement/plan.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the forms, then Django's own."""
        view = self.admin_site.admin_view
        return [
            path(
                "<str:plan_id>/price/", view(self.price_view), name="enablement_price"
            ),
            *super().get_urls(),
        ]

    def price_view(self, request: HttpRequest, plan_id: str) -> HttpResponse:
        """Publish the plan's next price."""
        plan = self._plan(plan_id)

        def carry_out(form: forms.Form) -> str:
            price = NewPrice(
                currency=form.cleaned_data["currency"],
                meter=form.cleaned_data["meter"],
                tiers=form.cleaned_data["tiers"],
            )
            version = change_price(
                staff_actor_of(request),
                plan=plan,
                price=price,
                effective_from=form.cleaned_data["effective_from"],
                now=timezone.now(),
            )
            return f"Published {version}."

        return self.command_form_view(
            request,
            PriceForm(request.POST or None),
            carry_out,
            title=f"Publish a price of {plan}",
            button="Publish price",
            back=reverse("admin:catalogue_plan_change", args=[plan.pk]),
        )

    def _plan(self, plan_id: str) -> Plan:
        found = Plan.objects.select_related("product").filter(pk=plan_id).first()
        if found is None:
            raise Http404
        return found


@admin.register(PriceVersion)
class PriceVersionAdmin(ReadOnlyAdmin):
    """Price versions: never changed, only followed by the next."""

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
    """Enablements of all accounts, with the text that was agreed to."""

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
        """Return the URLs of the forms, then Django's own."""
        view = self.admin_site.admin_view
        return [
            path(
                "assign/<str:account_id>/",
                view(self.assign_view),
                name="enablement_assign",
            ),
            path(
                "<str:enablement_id>/remove/",
                view(self.remove_view),
                name="enablement_remove",
            ),
            *super().get_urls(),
        ]

    def assign_view(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Assign a package to an account."""
        account = get_object_or_404(Account, pk=account_id)

        def carry_out(form: forms.Form) -> str:
            plan = form.cleaned_data["plan"]
            assign_package(
                staff_actor_of(request),
                account=account,
                plan=plan,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            return f"Assigned {plan.product} to {account}."

        return self.command_form_view(
            request,
            AssignForm(request.POST or None, account=account),
            carry_out,
            title=f"Assign a package to {account}",
            button="Assign",
            back=reverse("admin:accounts_account_change", args=[account.pk]),
            back_label=account,
        )

    def remove_view(self, request: HttpRequest, enablement_id: str) -> HttpResponse:
        """Remove a package from an account, with a reason."""
        enablement = (
            Enablement.objects.select_related("account", "product")
            .filter(pk=enablement_id)
            .first()
        )
        if enablement is None:
            raise Http404

        def carry_out(form: forms.Form) -> str:
            remove_package(
                staff_actor_of(request),
                account=enablement.account,
                product=enablement.product,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            return f"Removed {enablement.product} from {enablement.account}."

        return self.command_form_view(
            request,
            RemoveForm(request.POST or None),
            carry_out,
            title=f"Remove {enablement.product} from {enablement.account}",
            button="Remove the package",
            back=reverse("admin:accounts_account_change", args=[enablement.account_id]),
        )


@admin.register(ServiceProduct)
class ServiceProductAdmin(ReadOnlyAdmin):
    """Products switched on for services."""

    list_display = ("service", "product", "starts_at", "ends_at", "started_by")
    list_filter = ("product",)
    list_select_related = ("service", "product")
    search_fields = ("=service__id", "service__name", "=service__account__id")
    ordering = ("-starts_at",)


@admin.register(ProductRequest)
class ProductRequestAdmin(ReadOnlyAdmin):
    """Requests for products (R17)."""

    list_display = ("requested_at", "account", "product", "requested_by", "note")
    list_filter = ("product",)
    list_select_related = ("account", "product")
    ordering = ("-requested_at",)
