"""The catalogue, for staff: forms to add and change products and to add plans."""

from typing import ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.admin_pages import ReadOnlyAdmin
from accounts.authentication import staff_actor_of
from products.catalogue.commands import add_plan, add_product, update_product
from products.catalogue.models import Plan, Product

LIST = "admin:catalogue_product_changelist"


class ProductForm(forms.Form):
    """The fields of a product."""

    name = forms.CharField(max_length=60)
    purpose = forms.CharField(max_length=200)
    limitations = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 4})
    )
    documentation_url = forms.URLField(required=False, assume_scheme="https")
    purchase_mode = forms.ChoiceField(choices=Product.PurchaseMode.choices)
    per_service = forms.BooleanField(required=False, label="Switched on per service")
    service_type = forms.ChoiceField(
        choices=Product.ServiceType.choices, required=False, label="For"
    )
    state = forms.ChoiceField(choices=Product.State.choices)
    position = forms.IntegerField(min_value=0, max_value=30_000, initial=100)


class NewProductForm(ProductForm):
    """The fields of a new product: its slug too."""

    slug = forms.SlugField(
        max_length=40, help_text="The name in the API, e.g. websockets."
    )
    field_order = ("slug",)


class PlanForm(forms.Form):
    """A plan of a product."""

    kind = forms.ChoiceField(choices=Plan.Kind.choices)
    name = forms.CharField(max_length=80)
    trial_days = forms.IntegerField(
        required=False,
        min_value=1,
        help_text="Only of a trial: how many days it lasts.",
    )
    trial_minutes = forms.IntegerField(
        required=False,
        min_value=1,
        help_text="Only of a trial: it ends once so many connection minutes are used. Empty: no cap.",
    )


@admin.register(Product)
class ProductAdmin(ReadOnlyAdmin):
    """Products; their prices are under price versions."""

    trail_type = "product"
    list_display = ("name", "slug", "purchase_mode", "per_service", "state", "position")
    list_filter = ("purchase_mode", "state")
    search_fields = ("name", "slug")
    ordering = ("position", "name")
    formfield_overrides: ClassVar = {models.URLField: {"assume_scheme": "https"}}
    change_list_template = "admin/catalogue/product_list.html"
    change_form_template = "admin/catalogue/product.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the forms, then Django's own."""
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new_view), name="catalogue_product_new"),
            path(
                "<slug:slug>/edit/", view(self.edit_view), name="catalogue_product_edit"
            ),
            path(
                "<slug:slug>/plan/", view(self.plan_view), name="catalogue_product_plan"
            ),
            *super().get_urls(),
        ]

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Add a product."""

        def carry_out(form: forms.Form) -> str:
            fields = dict(form.cleaned_data)
            slug = str(fields.pop("slug"))
            product = add_product(
                staff_actor_of(request), slug=slug, fields=fields, now=timezone.now()
            )
            return f"Added {product.name}."

        return self.command_form_view(
            request,
            NewProductForm(request.POST or None),
            carry_out,
            title="Add a product to the catalogue",
            button="Add product",
            back=reverse(LIST),
        )

    def edit_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Change a product; customers see it immediately."""
        product = self._product(slug)

        def carry_out(form: forms.Form) -> str:
            update_product(
                staff_actor_of(request),
                slug=slug,
                fields=form.cleaned_data,
                now=timezone.now(),
            )
            return f"Saved {product.name}."

        initial = {name: getattr(product, name) for name in ProductForm.base_fields}
        return self.command_form_view(
            request,
            ProductForm(request.POST or None, initial=initial),
            carry_out,
            title=f"Change {product.name}",
            button="Save",
            back=reverse("admin:catalogue_product_change", args=[slug]),
        )

    def plan_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Add a plan to a product."""
        product = self._product(slug)

        def carry_out(form: forms.Form) -> str:
            plan = add_plan(
                staff_actor_of(request),
                product=product,
                now=timezone.now(),
                **form.cleaned_data,
            )
            return f"Added the plan {plan.name} to {product.name}."

        return self.command_form_view(
            request,
            PlanForm(request.POST or None),
            carry_out,
            title=f"Add a plan to {product.name}",
            button="Add plan",
            back=reverse("admin:catalogue_plan_changelist"),
        )

    def _product(self, slug: str) -> Product:
        found = Product.objects.filter(pk=slug).first()
        if found is None:
            raise Http404
        return found
