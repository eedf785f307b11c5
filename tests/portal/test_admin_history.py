"""The admin's History of a row: the entries of the audit trail about it."""

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.urls import reverse

from accounts.admin_pages import ReadOnlyAdmin
from accounts.audit.models import AuditEvent
from accounts.commands.invitations import invite
from accounts.models import User
from products.billing.commands import grant_credit
from products.billing.models import NumberSeries
from products.catalogue.models import Plan, Product
from products.catalogue.money import Money
from products.enablement.models import Enablement
from products.services.models import Version
from tests.products.web.conftest import text_of


def history_of(row):
    meta = row._meta
    name = f"admin:{meta.app_label}_{meta.model_name}_history"
    return reverse(name, args=[quote(row.pk)])


def test_history_shows_the_entries_about_a_row(
    acme, ada, sam, staff, switched_on, draft, websockets, now
):
    credit = grant_credit(
        ada, account=acme, amount=Money.of("1", "USD"), reason="Outage.", now=now
    )
    rows = {
        credit: "granted a credit",
        Enablement.objects.get(): "Sam enabled WebSockets",
        switched_on: "Sam switched WebSockets on for echo",
        websockets: "added WebSockets to the catalogue",
        Plan.objects.get(product=websockets, kind="direct"): "added the plan",
        acme: "Sam enabled WebSockets",
    }

    pages = {row: text_of(staff.get(history_of(row), follow=True)) for row in rows}

    assert {row: words for row, words in rows.items() if words not in pages[row]} == {}
    assert "enabled WebSockets" not in pages[credit]


def test_the_history_of_a_row_whose_id_has_an_underscore_is_found(staff, websockets):
    product = Product.objects.filter(pk__contains="_").first()

    answer = staff.get(history_of(product))

    assert answer.status_code == 302
    assert answer.url.endswith(f"&target={product.pk}")


def test_history_of_an_unknown_row_is_not_found(staff):
    address = reverse("admin:accounts_account_history", args=["nothing"])

    assert staff.get(address).status_code == 404


def test_every_page_of_the_admin_has_this_history(staff, switched_on, draft):
    stock = [
        model.__name__
        for model, page in admin.site._registry.items()
        if not isinstance(page, ReadOnlyAdmin)
    ]
    version = staff.get(history_of(Version.objects.get()))
    entry = staff.get(history_of(AuditEvent.objects.first()))

    assert stock == []
    assert version.url.endswith(f"?target_type=version&target={switched_on.pk}%2F1")
    assert "account=" in entry.url


def test_the_history_of_a_number_series_is_that_of_what_it_numbers(
    staff, sam, acme, now
):
    invite(sam, account=acme, email="new@acme.test", role="user", now=now)
    series = NumberSeries.objects.create(name="invoice")

    answer = staff.get(history_of(series))

    assert answer.url.endswith("?target_type=invoice")
    assert "Sam invited" not in text_of(staff.get(answer.url))


def test_the_page_of_a_row_links_to_its_history(
    acme, sam, staff, switched_on, draft, now
):
    invitation = invite(sam, account=acme, email="new@acme.test", role="user", now=now)
    rows = (
        *(invitation, User.objects.get(name="Sam"), Enablement.objects.get()),
        *(switched_on, draft, Plan.objects.first()),
        Plan.objects.first().product,
    )

    pages = {
        row: staff.get(history_of(row).replace("history", "change")) for row in rows
    }

    assert [row for row in rows if history_of(row) not in pages[row].text] == []


def test_filters_by_a_column_without_a_value_have_words(staff, acme):
    page = text_of(staff.get("/admin/accounts/account/"))
    filters = [
        each[1]
        for page in admin.site._registry.values()
        for each in page.list_filter
        if isinstance(each, tuple)
    ]

    assert "By state All Active Suspended" in page
    assert admin.EmptyFieldListFilter not in filters


@pytest.mark.usefixtures("switched_on", "draft", "sam")
def test_no_row_is_named_by_the_id_of_another():
    rows = [model.objects.first() for model in admin.site._registry]
    ids = {
        each.pk: str(each)
        for each in rows
        if each is not None
        for field in each._meta.concrete_fields
        if field.is_relation and (key := str(field.value_from_object(each)))
        if len(key) == 22 and key in str(each)
    }

    assert ids == {}
