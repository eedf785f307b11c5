"""Account settings, and the profile of the signed-in person."""

import pytest
from django.urls import reverse

from accounts.models import User
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
