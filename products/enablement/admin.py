"""Enablements, plans, prices and requests, for staff."""

from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    QueryDict,
)
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from accounts.admin_pages import ReadOnlyAdmin
from accounts.authentication import staff_actor_of
from accounts.errors import Invalid
from accounts.models import Account
from products.catalogue.commands import add_plan
from products.catalogue.models import Plan, PriceVersion
from products.catalogue.queries import on_sale
from products.enablement.commands import (
    assign_package,
    change_price,
    decline_request,
    remove_package,
)
from products.enablement.models import Enablement, ProductRequest, ServiceProduct
from products.enablement.price_form import PriceEntry, price_rows
from products.enablement.queries import assignable_plans
from products.enablement.verification import is_as_agreed


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


class OwnPlanForm(forms.Form):
    """A product for which an account gets prices of its own."""

    product = forms.ModelChoiceField(on_sale(), empty_label="Choose a product")
    name = forms.CharField(label="Name of the plan", max_length=80)


class RemoveForm(forms.Form):
    """Why a package is removed, or a request declined."""

    reason = forms.CharField(help_text="The account's members can read it.")


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """Plans; prices are published and packages assigned by separate forms."""

    trail_type = "plan"
    list_display = ("name", "product", "account", "kind", "retired_at")
    list_filter = ("kind",)
    list_select_related = ("product", "account")
    search_fields = ("name", "product__name", "account__name")
    ordering = ("product__position", "kind", "name")
    change_form_template = "admin/enablement/plan.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the forms, then Django's own."""
        view = self.admin_site.admin_view
        return [
            path(
                "<str:plan_id>/price/", view(self.price_view), name="enablement_price"
            ),
            path(
                "own/<str:account_id>/",
                view(self.own_plan_view),
                name="enablement_own_plan",
            ),
            *super().get_urls(),
        ]

    def price_view(self, request: HttpRequest, plan_id: str) -> HttpResponse:
        """Show what a price changes and for whom; publish it if that was seen."""
        plan = self._plan(plan_id)
        entry = PriceEntry(plan, request.POST or None, now=timezone.now())
        back = reverse("admin:catalogue_plan_change", args=[plan.pk])
        preview = None
        if request.method == "POST" and entry.is_valid():
            try:
                preview = entry.preview()
                if request.POST.get("publish") == preview.seen:
                    title = f"Publish a price of {plan}"
                    asked = self.reauthentication(request, title)
                    return asked or self._publish(request, entry, back)
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
            "back": back,
            "back_label": plan,
            "opts": self.model._meta,  # noqa: SLF001 - Django's own name
        }
        is_wrong = entry.form.errors or entry.rows.total_error_count()
        status = HTTPStatus.BAD_REQUEST if is_wrong else HTTPStatus.OK
        return render(request, "admin/enablement/price.html", context, status=status)

    def _publish(
        self, request: HttpRequest, entry: PriceEntry, back: str
    ) -> HttpResponse:
        version = change_price(
            staff_actor_of(request),
            plan=entry.plan,
            price=entry.price,
            effective_from=entry.effective_from,
            now=entry.now,
        )
        messages.success(request, f"Published {version}.")
        return HttpResponseRedirect(back)

    def own_plan_view(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Add a plan with an account's own prices."""
        account = get_object_or_404(Account, pk=account_id)

        def carry_out(form: forms.Form) -> str:
            product = form.cleaned_data["product"]
            plan = add_plan(
                staff_actor_of(request),
                product=product,
                kind=Plan.Kind.DIRECT,
                name=form.cleaned_data["name"],
                account=account,
                now=timezone.now(),
            )
            return f"Added the plan {plan}. It counts once it has a price."

        return self.command_form_view(
            request,
            OwnPlanForm(request.POST or None, initial={"name": f"{account} contract"}),
            carry_out,
            title=f"Add prices for {account} alone",
            button="Add plan",
            back=reverse("admin:accounts_account_change", args=[account.pk]),
            back_label=account,
        )

    def _plan(self, plan_id: str) -> Plan:
        found = Plan.objects.select_related("product").filter(pk=plan_id).first()
        if found is None:
            raise Http404
        return found


@admin.register(PriceVersion)
class PriceVersionAdmin(ReadOnlyAdmin):
    """Price versions: never changed, only followed by the next."""

    trail_type = "price_version"
    list_display = (
        "plan",
        "number",
        "price",
        "effective_from",
        "effective_to",
        "is_example",
    )
    list_select_related = ("plan",)
    search_fields = ("plan__name", "plan__product__name", "=plan__account__id")
    ordering = ("plan__name", "-number")
    fields = readonly_fields = (
        *("plan", "number", "price", "effective_from", "effective_to"),
        *("withdrawn_at", "is_example"),
    )

    @admin.display(description="price")
    def price(self, version: PriceVersion) -> str:
        """Return the whole price, a line each."""
        rows = ((row.label, row.amount) for row in price_rows(version))
        return format_html_join(mark_safe("<br>"), "{}: {}", rows)


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

    def get_fields(self, request: HttpRequest, obj: Enablement | None = None) -> Any:
        """Return the row's fields, and whether the agreement is the one that was agreed to."""
        return [*super().get_fields(request, obj), "agreement"]

    @admin.display(description="agreement", boolean=True)
    def agreement(self, row: Enablement) -> bool | None:
        """Tell whether sentence and record give the hashes kept with them; None without them."""
        return is_as_agreed(row) if row.agreed_text_hash else None

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

    list_display = (
        "requested_at",
        "account",
        "product",
        "requested_by",
        "note",
        "state",
    )
    list_filter = ("state", "product")
    list_select_related = ("account", "product")
    ordering = ("-requested_at",)
    search_fields = ("account__name", "=account__id", "requested_by")
    change_form_template = "admin/enablement/request.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the URL of the form, then Django's own."""
        own = path(
            "<int:request_id>/decline/",
            self.admin_site.admin_view(self.decline_view),
            name="enablement_decline",
        )
        return [own, *super().get_urls()]

    def decline_view(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """Decline a request, with a reason."""
        rows = ProductRequest.objects.select_related("account", "product")
        row = get_object_or_404(rows, pk=request_id)

        def carry_out(form: forms.Form) -> str:
            decline_request(
                staff_actor_of(request),
                request=row,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            return f"Declined the request of {row.requested_by} for {row.product}."

        return self.command_form_view(
            request,
            RemoveForm(request.POST or None),
            carry_out,
            title=f"Decline the request of {row.requested_by} for {row.product}",
            button="Decline request",
            back=reverse("admin:accounts_account_change", args=[row.account_id]),
            back_label=row.account,
        )
