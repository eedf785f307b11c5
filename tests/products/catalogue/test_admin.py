"""The catalogue in the admin: staff add and change products, and add plans."""

import pytest
from django.urls import reverse

from products.catalogue.models import Product
from tests.factories.trail import noted

TEA = {
    "slug": "tea",
    "name": "Tea",
    "purpose": "Hot.",
    "purchase_mode": "sales",
    "state": "active",
    "position": "7",
}


def test_staff_add_a_product_and_change_it(staff):
    added = staff.post(reverse("admin:catalogue_product_new"), TEA)
    changed = staff.post(
        reverse("admin:catalogue_product_edit", args=["tea"]),
        TEA | {"purchase_mode": "direct"},
    )

    product = Product.objects.get(pk="tea")
    assert (added.status_code, changed.status_code) == (303, 303)
    assert product.is_sold_directly
    assert noted("platform") == ["product.added", "product.updated"]


def test_a_slug_in_use_is_refused(staff):
    staff.post(reverse("admin:catalogue_product_new"), TEA)

    again = staff.post(reverse("admin:catalogue_product_new"), TEA)

    assert again.status_code == 400
    assert "A product tea already exists." in again.content.decode()


@pytest.mark.parametrize(
    ("kind", "name", "status", "plans"),
    [("package", "Edge Max", 303, 3), ("direct", "Another", 400, 2)],
)
def test_staff_add_a_plan_but_no_second_direct_one(
    staff, websockets, kind, name, status, plans
):
    answer = staff.post(
        reverse("admin:catalogue_product_plan", args=["websockets"]),
        {"kind": kind, "name": name},
    )

    assert answer.status_code == status
    assert websockets.plans.count() == plans


def test_staff_read_the_list_and_each_product(staff, websockets):
    listed = staff.get(reverse("admin:catalogue_product_changelist"))
    row = staff.get(reverse("admin:catalogue_product_change", args=["websockets"]))
    edit = staff.get(reverse("admin:catalogue_product_edit", args=["nothing"]))

    assert (listed.status_code, row.status_code, edit.status_code) == (200, 200, 404)
