"""The admin's page of a member: what they can do, and why they can't deploy."""

import re
from html import unescape

from django.urls import reverse

from accounts.models import Membership
from products.services.models import Version
from tests.factories import NOW
from tests.factories.services import ServiceFactory
from tests.products.web.conftest import text_of


def page_of(person):
    membership = Membership.objects.get(user_id=person.user_id)
    return reverse("admin:accounts_membership_change", args=[membership.pk])


def answers(page):
    """Return the answer and the reason for each ability, by its name."""
    rows = re.findall(
        r'<th scope="row">\s*([^<]*?)\s*</th>\s*<td[^>]*>\s*([^<]*?)\s*</td>\s*<td[^>]*>\s*([^<]*?)\s*</td>',
        unescape(page.content.decode()),
    )
    return {ability: (answer, why) for ability, answer, why in rows}


def test_staff_see_what_a_member_can_do_and_why_not(acme, una, staff):
    found = answers(staff.get(page_of(una)))

    assert found["See services and their configuration"] == ("Yes", "")
    answer, why = found["Activate and deactivate versions"]
    assert answer == "No"
    assert "Engineers and superusers can activate and deactivate versions." in why


def test_a_disabled_member_can_do_nothing(acme, eve, staff):
    Membership.objects.filter(user_id=eve.user_id).update(disabled_at=NOW)

    found = answers(staff.get(page_of(eve)))

    assert {answer for answer, _ in found.values()} == {"No"}


def test_on_a_service_the_access_and_the_checks_of_its_newest_version_count(
    acme, lin, echo, shop, draft, staff
):
    page = staff.get(page_of(lin), {"service": "ech"})

    found = answers(page)
    assert found["Configure services"][0] == "No"
    assert found["Your access covers this service"] == (
        "Failed",
        "You don't have access to this service. A superuser can give you full access to this service.",
    )
    assert found["WebSockets is on for this service"][0] == "Does not apply"
    assert "Why Lin can't activate version 1 of echo" in text_of(page)
    on_shop = answers(staff.get(page_of(lin), {"service": shop.pk}))
    assert on_shop["Configure services"][0] == "Yes"


def test_several_services_or_none_are_offered_by_name(acme, lin, echo, staff):
    ServiceFactory.create(account=acme, name="echo-2")
    other = ServiceFactory.create(name="echo of others")

    several = staff.get(page_of(lin), {"service": "echo-"})
    unknown = text_of(staff.get(page_of(lin), {"service": "nothing"}))
    listed = staff.get(page_of(lin), {"service": "ech"}).content.decode()

    assert "on echo-2" in text_of(several)
    assert "No service of Acme matches “nothing”." in unknown
    assert f"?service={echo.pk}" in listed
    assert other.pk not in listed
    assert not Version.objects.filter(service__name="echo-2").exists()
    assert "echo-2 has no version yet." in text_of(several)


def test_the_page_of_the_account_leads_to_it(acme, una, staff):
    account = reverse("admin:accounts_account_change", args=[acme.pk])

    assert f'href="{page_of(una)}"' in staff.get(account).content.decode()
