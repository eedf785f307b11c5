"""The catalogue, for staff: forms to add and change products and to add plans."""

from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse

from accounts.actor import Actor
from accounts.admin_pages import ReadOnlyAdmin, row_or_404
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
    documentation_url = forms.URLField(
        label="URL of the documentation", required=False, assume_scheme="https"
    )
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
    search_help_text = "A part of the name, or of the name in the API"
    ordering = ("position", "name")
    formfield_overrides: ClassVar = {models.URLField: {"assume_scheme": "https"}}
    change_list_template = "admin/catalogue/product_list.html"
    change_form_template = "admin/catalogue/product.html"
    own_pages = (
        ("new/", "new_view", "catalogue_product_new"),
        ("<slug:slug>/edit/", "edit_view", "catalogue_product_edit"),
        ("<slug:slug>/plan/", "plan_view", "catalogue_product_plan"),
    )

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Add a product."""

        def command(
            actor: Actor, *, slug: str, now: datetime, **fields: Any
        ) -> Product:
            return add_product(actor, slug=slug, fields=fields, now=now)

        return self.command_form_view(
            request,
            NewProductForm(request.POST or None),
            command,
            title="Add a product to the catalogue",
            button="Add product",
            done=lambda product: f"Added {product.name}.",
        )

    def edit_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Change a product; customers see it immediately."""
        product = row_or_404(Product, slug)

        def command(actor: Actor, *, now: datetime, **fields: Any) -> None:
            update_product(actor, slug=slug, fields=fields, now=now)

        initial = {name: getattr(product, name) for name in ProductForm.base_fields}
        return self.command_form_view(
            request,
            ProductForm(request.POST or None, initial=initial),
            command,
            title=f"Change {product.name}",
            button="Save",
            done=lambda _: f"Saved {product.name}.",
            back=product,
        )

    def plan_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Add a plan to a product."""
        product = row_or_404(Product, slug)
        return self.command_form_view(
            request,
            PlanForm(request.POST or None),
            partial(add_plan, product=product),
            title=f"Add a plan to {product.name}",
            button="Add plan",
            done=lambda plan: f"Added the plan {plan.name} to {product.name}.",
            back=product,
        )
