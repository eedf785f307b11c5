"""Account settings, and the profile of the signed-in person."""

import pytest
from django.http import HttpResponse
from django.urls import reverse

from accounts.date_formats import minute_text
from accounts.models import User
from portal.middleware import reader
from tests.factories import NOW
from tests.products.web.conftest import actions_of, text_of


def test_a_superuser_renames_the_account(browser, sam, acme):
    page = reverse("account_settings")

    answer = browser(sam).post(page, {"name": "Acme Commerce"}, follow=True)

    acme.refresh_from_db()
    assert acme.name == "Acme Commerce"
    assert "Saved the account's name." in text_of(answer)
    assert actions_of(acme)[-1] == "account.renamed"


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_a_name_that_cannot_be_saved_stays_in_the_form(browser, sam, acme, name):
    answer = browser(sam).post(reverse("account_settings"), {"name": name})

    acme.refresh_from_db()
    assert answer.status_code == 400
    assert set(answer.context["form"].errors) == {"name"}
    assert acme.name == "Acme"


def test_others_see_the_settings_with_the_reason_and_change_nothing(browser, una, acme):
    client = browser(una)

    shown = text_of(client.get(reverse("account_settings")))
    sent = client.post(reverse("account_settings"), {"name": "Mine"})

    acme.refresh_from_db()
    assert "Your role is user" in shown
    assert "Currency USD" in shown
    assert acme.pk in shown
    assert "Close the account" not in shown
    assert (sent.status_code, acme.name) == (403, "Acme")


def test_a_member_changes_their_own_name(browser, una):
    answer = browser(una).post(
        reverse("profile"), {"name": "Una Castro-Lee"}, follow=True
    )

    assert User.objects.get(pk=una.user_id).name == "Una Castro-Lee"
    assert "Saved your name." in text_of(answer)


def test_the_profile_shows_the_login_and_the_accounts(browser, una, acme):
    page = text_of(browser(una).get(reverse("profile")))

    assert una.user_id in page
    assert f"{acme.name} Your role is user." in page


def test_a_persons_time_zone_counts_before_that_of_the_account(browser, sam, una, acme):
    account_page = browser(sam).post(
        reverse("account_time_zone"), {"time_zone": "europe/berlin"}, follow=True
    )
    before = text_of(browser(una).get(reverse("profile")))
    answer = browser(una).post(
        reverse("own_time_zone"), {"time_zone": "Asia/Tokyo"}, follow=True
    )

    assert "Saved the account's time zone." in text_of(account_page)
    assert "read times in Europe/Berlin" in text_of(account_page)
    assert "show you times in Europe/Berlin," in before
    assert "show you times in Asia/Tokyo," in text_of(answer)
    assert actions_of(acme) == ["account.time_zone_changed", "user.time_zone_changed"]


def test_a_superuser_sets_which_notices_members_get_by_email(browser, sam, una, acme):
    page = browser(sam).post(
        reverse("account_notices"), {"topic": ["prices", "login"]}, follow=True
    )

    on = [each.topic.value for each in page.context["topics"] if each.default]
    assert on == ["login", "access", "security", "suspension", "prices"]
    assert "Saved which notices members get by email." in text_of(page)
    shown = text_of(browser(una).get(reverse("account_settings")))
    assert "Price changes, ahead of their date: on" in shown
    assert "Trials that end soon, and their end: off" in shown
    assert actions_of(acme) == ["notice_defaults.changed"]


def test_a_person_chooses_how_they_read_dates(browser, sam, una, acme):
    client = browser(una)

    page = client.post(
        reverse("own_date_format"), {"date_format": "german"}, follow=True
    )

    created = acme.created_at
    day = f"{created.day}.{created.month}.{created.year} {created:%H:%M:%S} UTC"
    assert "Saved your format of dates." in text_of(page)
    assert day in text_of(client.get(reverse("account_settings")))
    assert day not in text_of(browser(sam).get(reverse("account_settings")))
    assert actions_of(acme) == ["user.date_format_changed"]


def test_an_unknown_format_of_dates_is_refused(browser, una, acme):
    answer = browser(una).post(reverse("own_date_format"), {"date_format": "roman"})

    assert answer.status_code == 400
    assert actions_of(acme) == []


@pytest.mark.parametrize("page", ["account_time_zone", "own_time_zone"])
def test_an_unknown_time_zone_stays_in_the_form(browser, sam, acme, page):
    answer = browser(sam).post(reverse(page), {"time_zone": "Mars/Phobos"})

    assert answer.status_code == 400
    assert set(answer.context["zone_form"].errors) == {"time_zone"}
    assert 'value="Mars/Phobos"' in answer.content.decode()
    assert actions_of(acme) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/profile/", "2026-11-22 21:00 JST"),
        ("/admin/", "22 November 2026, 12:00 UTC"),
        ("/api/v1/events", "22 November 2026, 12:00 UTC"),
    ],
)
def test_the_admin_and_the_api_are_the_same_whatever_a_person_chose(
    rf, sam, path, text
):
    request = rf.get(path)
    request.user, request.session = User.objects.get(pk=sam.user_id), {}
    request.user.time_zone, request.user.date_format = "Asia/Tokyo", "iso"

    shown = reader(lambda _: HttpResponse(minute_text(NOW)))

    assert shown(request).content.decode() == text
