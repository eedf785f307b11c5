"""The pages of API tokens: created and shown once, listed, revoked."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.commands.tokens import issue_token
from accounts.models import ApiToken
from tests.accounts.web.test_members import text
from tests.factories.services import ServiceFactory

TOKENS = "/api-tokens/"
NEW = "/api-tokens/new/"
AUTOMATION = "/api-tokens/automation/new/"


@pytest.fixture
def form():
    day = timezone.now().date() + timedelta(days=30)
    return {"name": "CI", "scope": "global:read", "expires_on": day.isoformat()}


@pytest.fixture
def token(eve):
    moment = timezone.now()
    return issue_token(
        eve,
        name="CI",
        scope="global",
        services=[],
        expires_at=moment + timedelta(days=30),
        now=moment,
    ).token


def test_a_user_without_tokens_sees_what_they_are_for(una, browser):
    shown = text(browser(una).get(TOKENS))

    assert "You have no tokens in Acme" in shown
    assert "New token…" in shown


@pytest.mark.parametrize(
    "asked, found",
    [
        ("", ["Bravo", "Alpha", "Old"]),
        ("sort=name", ["Alpha", "Bravo", "Old"]),
        ("state=valid&sort=name", ["Alpha", "Bravo"]),
        ("state=expired", ["Old"]),
        ("state=expired&q=alpha", []),
    ],
)
def test_tokens_are_filtered_and_ordered(eve, browser, asked, found):
    now = timezone.now()
    for name, age, lifetime in (("Old", 9, 8), ("Alpha", 8, 30), ("Bravo", 7, 30)):
        created = now - timedelta(days=age)
        issue_token(
            eve,
            name=name,
            scope="global",
            services=[],
            expires_at=created + timedelta(days=lifetime),
            now=created,
        )

    page = browser(eve).get(f"{TOKENS}?{asked}")

    assert [each["row"].name for each in page.context["own"]] == found


def test_a_token_is_shown_once_and_stored_as_a_hash(acme, eve, browser, form, noted):
    client = browser(eve)

    answer = client.post(NEW, form)
    kept = str(client.session.items())
    page = client.get(answer.url)
    again = client.get(answer.url)

    secret = page.content.decode().split('id="secret">')[1].split("</code>")[0]
    assert (answer.status_code, len(secret)) == (303, 32)
    assert secret not in kept
    assert secret not in again.content.decode()
    assert "The token was shown once" in again.content.decode()
    assert ApiToken.objects.count() == 1
    assert page.headers["Cache-Control"] == "no-store"
    assert secret not in client.get(TOKENS).content.decode()
    assert secret not in str(ApiToken.objects.values().get())
    assert noted(acme) == ["token.issued"]


def test_a_token_expires_at_the_end_of_its_last_day(eve, browser, form):
    browser(eve).post(NEW, form)

    ends = ApiToken.objects.get().expires_at
    assert ends is not None
    assert ends.isoformat()[10:] == "T00:00:00+00:00"
    assert (ends - timedelta(days=1)).date().isoformat() == form["expires_on"]


def test_only_visible_services_can_be_chosen(acme, lin, shop, browser, form):
    blog = ServiceFactory.create(account=acme, name="blog")
    client = browser(lin)

    refused = client.post(NEW, form | {"services": [blog.pk]})
    client.post(NEW, form | {"services": [shop.pk]})

    assert refused.status_code == 400
    assert b"blog" not in client.get(NEW).content
    assert ApiToken.objects.get().services == [shop.pk]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"expires_on": "2020-01-01"}, "Choose an expiry date within the next year."),
        ({"expires_on": "9998-12-31"}, "Choose an expiry date within the next year."),
        ({"expires_on": "tomorrow"}, "Enter a valid date."),
        ({"expires_on": ""}, "This field is required."),
        ({"scope": "everything"}, "Choose one of the options."),
        ({"name": ""}, "This field is required."),
    ],
)
def test_invalid_input_is_reported_and_creates_nothing(
    eve, browser, form, changed, message
):
    answer = browser(eve).post(NEW, form | changed)

    assert answer.status_code == 400
    assert message in text(answer)
    assert not ApiToken.objects.exists()


def test_revoking_a_token_is_confirmed_first(acme, eve, token, browser, noted):
    client, address = browser(eve), reverse("revoke_token", args=[token.pk])

    assert "are refused from now on" in text(client.get(address))
    client.post(address)

    assert "Revoked token CI." in text(client.get(TOKENS))
    assert noted(acme) == ["token.issued", "token.revoked"]


def test_a_superuser_sees_and_revokes_the_tokens_of_others(sam, token, browser):
    client = browser(sam)

    assert "Other people's tokens" in text(client.get(TOKENS))
    client.post(reverse("revoke_token", args=[token.pk]))

    token.refresh_from_db()
    assert token.revoked_at is not None


@pytest.mark.parametrize("who", ["una", "bo", "stan"])
def test_the_tokens_of_others_are_not_found(request, who, token, browser):
    client = browser(request.getfixturevalue(who))

    assert "Other people's" not in text(client.get(TOKENS))
    assert client.get(reverse("revoke_token", args=[token.pk])).status_code == 404
    assert client.post(reverse("revoke_token", args=[token.pk])).status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_creating_and_revoking_tokens_requires_reauthentication(
    eve, token, browser, form
):
    client = browser(eve, confirmed=301)

    assert client.post(NEW, form).status_code == 403
    assert client.post(reverse("revoke_token", args=[token.pk])).status_code == 403
    assert ApiToken.objects.get().revoked_at is None


def test_searching_for_services_creates_nothing_and_keeps_what_was_typed(
    acme, sam, shop, browser, form
):
    for number in range(30):
        ServiceFactory.create(account=acme, name=f"area-{number}")
    client = browser(sam)
    first = text(client.get(NEW))

    page = client.post(
        NEW, form | {"services": [shop.pk], "find": "area-29", "search": "1"}
    )

    assert "The first 20 of 31 services are listed" in first
    assert "1 chosen. 1 found for “area-29”." in text(page)
    assert f'value="{shop.pk}" id="id_services_0" checked' in page.content.decode()
    assert page.context["form"]["name"].value() == "CI"
    assert not ApiToken.objects.exists()


def test_an_invitation_s_services_are_searched_for(acme, sam, shop, browser):
    other = ServiceFactory.create(account=acme, name="other")
    typed = {"email": "x@example.com", "role": "engineer", "limit_services": "on"}

    page = browser(sam).post(
        "/members/invite/",
        typed | {f"level_{shop.pk}": "full", "find": "oth", "search": "1"},
    )

    assert page.status_code == 200
    assert page.context["form"][f"level_{shop.pk}"].value() == "full"
    assert f"level_{other.pk}" in page.context["form"].fields
    assert page.context["form"]["limit_services"].value()
    assert not acme.invitations.exists()


def test_a_superuser_creates_an_automation_token(acme, sam, browser, form, noted):
    client = browser(sam)

    page = client.post(AUTOMATION, form | {"role": "billing"}, follow=True)

    assert "Role billing" in text(page)
    assert noted(acme) == ["token.issued"]
    shown = text(client.get(TOKENS))
    assert "Automation tokens (1)" in shown
    assert "billing" in shown


def test_an_automation_token_is_revoked_on_its_page(sam, browser, form):
    client = browser(sam)
    client.post(AUTOMATION, form | {"role": "user"})
    row = ApiToken.objects.get()

    page = f"/api-tokens/{row.pk}/revoke/"
    assert "Acme's automation token" in text(client.get(page))
    client.post(page)

    row.refresh_from_db()
    assert row.revoked_at is not None


def test_creating_an_automation_token_asks_who_the_user_is(sam, browser, form):
    answer = browser(sam, confirmed=None).post(AUTOMATION, form | {"role": "user"})

    assert answer.status_code == 403
    assert not ApiToken.objects.exists()


def test_others_see_no_automation_tokens(eve, browser):
    client = browser(eve)

    assert "Automation tokens" not in text(client.get(TOKENS))
    assert client.get(AUTOMATION).status_code == 403
