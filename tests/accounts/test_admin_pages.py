"""The admin's lists and rows: words, separators and links in place of raw values."""

import re
from collections import Counter

import pytest
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.urls import reverse

from accounts.admin_pages import ReadOnlyAdmin, readable_columns
from accounts.models import User
from products.billing.commands import grant_credit
from products.catalogue.money import Money
from products.metering.models import Edge
from tests.factories import NOW
from tests.products.web.conftest import text_of

# Words as they are in the names of columns: without capitals, with a unit, or alone.
RAW = re.compile(
    r"\b(id|ip|url|us|ms|nanos|micros|pk|json)$|\bseconds$|^(is|has) |^(at|zone|last)$"
)
PAGES = list(admin.site._registry.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_a_search_says_what_it_finds(page):
    assert isinstance(page, ReadOnlyAdmin)
    assert bool(page.search_fields) == bool(page.search_help_text)


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
@pytest.mark.parametrize("text", ["", "  "])
def test_a_list_without_a_search_compares_nothing(page, rf, text):
    rows = page.model._default_manager.all()

    found, _ = page.get_search_results(rf.get("/"), rows, text)

    assert str(found.query) == str(rows.query)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_no_filter_of_a_list_asks_about_the_name_of_a_boolean_column(page):
    booleans = {
        field.name
        for field in page.opts.get_fields()
        if field.get_internal_type() == "BooleanField"
    }

    assert booleans.isdisjoint(
        each for each in page.list_filter if isinstance(each, str)
    )


def test_no_two_lists_of_the_admin_have_one_name():
    names = Counter(page.opts.verbose_name_plural for page in PAGES)

    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_labels_are_words_and_not_the_names_of_columns(page, rf, ada):
    request = rf.get("/")
    request.user = User.objects.get(pk=ada.user_id)
    # A page without fields has a template of its own.
    fields = [] if page.fields == () else page.get_fields(request)
    inlines = [
        (inline.model, inline, each)
        for inline in page.get_inline_instances(request)
        for each in inline.get_fields(request)
    ]
    shown = [
        (page.model, page, each) for each in (*page.get_list_display(request), *fields)
    ]

    labels = [
        str(label_for_field(each, model, owner))
        for model, owner, each in (*shown, *inlines)
    ]

    assert [each for each in labels if RAW.search(each)] == []


def test_booleans_are_words_and_numbers_have_separators(staff, sam):
    edge = Edge.objects.create(
        name="fra-1", digest="d", created_at=NOW, open_connections=1_234_567
    )
    pages = {
        "edges": reverse("admin:metering_edge_changelist"),
        "edge": reverse("admin:metering_edge_change", args=[edge.pk]),
        "user": reverse("admin:accounts_user_change", args=[sam.user_id]),
    }

    found = {name: staff.get(url) for name, url in pages.items()}

    assert "1,234,567" in text_of(found["edges"])
    assert "1,234,567" in text_of(found["edge"])
    assert "Staff: no" in text_of(found["user"])
    assert [each for each in found.values() if b"icon-no.svg" in each.content] == []


def test_the_way_back_names_each_page_once(staff, shop):
    webhooks = reverse("admin:webhooks_webhook_changelist")
    service = reverse("admin:services_service_change", args=[shop.pk])

    found = [text_of(staff.get(url)) for url in (webhooks, service)]

    assert "Home › Webhooks › Webhooks" not in found[0]
    assert "Home › Webhooks" in found[0]
    assert "Home › Services › shop" in found[1]


def test_a_value_that_is_not_set_is_a_dash():
    columns = readable_columns(["clock_offset_ms", "store_is_writable"], Edge, object())
    missing = Edge(clock_offset_ms=None, store_is_writable=None)

    assert [column(missing) for column in columns] == ["–", "–"]


def test_a_list_that_begins_with_the_account_leads_to_it_and_to_the_row(
    staff, ada, acme, now
):
    amount = Money.of("1", "USD")
    credit = grant_credit(ada, account=acme, amount=amount, reason="Outage.", now=now)

    content = staff.get(reverse("admin:billing_credit_changelist")).content.decode()

    account = reverse("admin:accounts_account_change", args=[acme.pk])
    row = reverse("admin:billing_credit_change", args=[credit.pk])
    assert f'class="field-account"><a href="{account}">Acme</a></td>' in content
    assert f'<a href="{row}">Granted</a>' in content


def test_a_list_leads_to_the_account_and_names_each_columns_cell(staff, sam, acme):
    page = staff.get(reverse("admin:accounts_membership_changelist"))

    account = reverse("admin:accounts_account_change", args=[acme.pk])
    content = page.content.decode()
    assert (
        f'<td data-label="Account" class="field-account"><a href="{account}"' in content
    )
    assert 'data-label="Role"' in content
