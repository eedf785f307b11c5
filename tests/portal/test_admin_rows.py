"""The admin's page of a row, for every model: values in words, and nothing that only programs read."""

import re

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts.admin_pages import admin_url
from accounts.audit.models import AuditEvent
from products.billing.models import Invoice
from products.enablement.models import ProductRequest
from products.metering.models import UsageDispute
from products.services.models import Version
from tests.factories import NOW
from tests.factories.accounts import UserFactory
from tests.factories.world import build_world
from tests.products.metering.reports import make_edge, record, take
from tests.products.web.conftest import text_of

VALUE = re.compile(r'<div class="readonly">(.*?)</div>|<td[^>]*>(.*?)</td>', re.DOTALL)
ID = re.compile(r"[0-9A-Za-z]{22}")


@pytest.fixture
def world(db):
    return build_world()


@pytest.fixture
def staff(world, browser):
    return browser(world.people["staff"])


@pytest.fixture
def dispute(world):
    edge = make_edge()
    shop = {"service": world.shop.pk}
    take(edge, record(**shop, duration_us=50_000_000, final=True))
    take(edge, record(**shop, duration_us=70_000_000))
    return UsageDispute.objects.get()


def values_of(page):
    return [(one or other).strip() for one, other in VALUE.findall(page.text)]


@pytest.mark.usefixtures("dispute")
def test_no_value_of_a_row_is_written_as_programs_write_it(staff):
    rows = [model.objects.first() for model in admin.site._registry]
    pages = {str(row): staff.get(admin_url(row)) for row in rows if row is not None}

    raw = {
        name: [each for each in values_of(page) if each in {"None", "-", "True", "[]"}]
        for name, page in pages.items()
    }

    assert len(pages) > 20
    assert {page.status_code for page in pages.values()} == {200}
    assert {name: found for name, found in raw.items() if found} == {}


def test_a_request_names_who_made_it_without_their_id(world, staff):
    request = ProductRequest.objects.first()

    page = staff.get(admin_url(request))

    assert reverse("admin:accounts_user_change", args=[request.user_id]) in page.text
    assert not ID.search(text_of(page))


def test_a_dispute_shows_what_differs_and_whose_it_is(world, staff, dispute):
    page = text_of(staff.get(admin_url(dispute)))
    resolve = text_of(
        staff.get(reverse("admin:metering_usagedispute_resolve", args=[dispute.pk]))
    )

    differs = "What differs Value Recorded Reported Duration 50 s (50.000000 s) 1 min 10 s (70.000000 s)"
    assert differs in page
    assert differs in resolve
    assert f"Service: shop ( {world.shop.pk} ). Account: Acme." in resolve.replace(
        "(", "( "
    ).replace(")", " )")


def test_rows_lead_to_what_belongs_to_them(world, staff):
    version = Version.objects.filter(service=world.shop).first()
    plan = world.websockets.plans.get(kind="direct")
    superuser = world.person("superuser")

    parts = f"/admin/services/part/?version={version.pk}"
    prices = f"/admin/catalogue/priceversion/?plan={plan.pk}"
    lists = {path: staff.get(path).context["cl"].queryset for path in (parts, prices)}

    assert parts in staff.get(admin_url(version)).text
    assert f"{version} of shop" in text_of(staff.get(admin_url(version)))
    assert {part.version for part in lists[parts]} == {version}
    assert prices in staff.get(admin_url(plan)).text
    assert {price.plan for price in lists[prices]} == {plan}
    membership = superuser.memberships.get()
    assert admin_url(membership) in staff.get(admin_url(superuser)).text


def test_the_start_of_an_invoices_page_is_what_it_is_about(staff):
    page = staff.get(admin_url(Invoice.objects.first()))

    labels = re.findall(r"<label>(.*?):?</label>", page.text)
    assert labels[:5] == ["Number", "Account", "Month", "Kind", "Status"]
    assert "No credit notes." in text_of(page)


def test_an_entry_leads_to_who_made_it(world, staff):
    event = AuditEvent.objects.filter(actor_type="user").first()

    page = staff.get(admin_url(event))

    assert reverse("admin:accounts_user_change", args=[event.actor_id]) in page.text
    assert f"Entry {event.sequence} of" in text_of(page)


def test_staff_who_never_signed_in_have_no_last_sign_in(staff):
    user = UserFactory.create(name="New", last_login=None)
    signed_in = UserFactory.create(name="Old", last_login=NOW)

    assert "Last sign-in: –" in text_of(staff.get(admin_url(user)))
    assert "Last sign-in: 22 Nov 2026, 12:00 UTC" in (
        text_of(staff.get(admin_url(signed_in)))
    )
