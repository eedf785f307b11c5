"""The page that starts a trial, and the trial on the Products page (R18)."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from products.catalogue.commands import add_plan
from products.enablement.agreements import trial_terms
from products.enablement.commands import check_trials
from products.enablement.models import Enablement
from tests.factories.world import CATALOGUE
from tests.products.web.conftest import actions_of, text_of

PAGE = "/products/websockets/trial/"


@pytest.fixture
def plan(websockets, now):
    """Return the plan of a trial of WebSockets."""
    return add_plan(
        CATALOGUE,
        product=websockets,
        kind="trial",
        name="WebSockets trial",
        trial_days=14,
        trial_minutes=1_000_000,
        now=now,
    )


def start(client, acme, plan, **changes):
    body = {
        "agreed_text": trial_terms(acme, plan, now=timezone.now()).text,
        "agree": "on",
    } | changes
    return client.post(PAGE, body)


def test_the_end_is_said_before_the_trial_starts(browser, sam, acme, plan):
    client = browser(sam)
    assert f'href="{PAGE}"' in client.get("/products/").content.decode()

    page = text_of(client.get(PAGE))

    assert trial_terms(acme, plan, now=timezone.now()).text in page
    assert "14 days from now" in page
    assert "1,000,000 connection minutes" in page
    assert "New connections are refused, and open ones are closed" in page


def test_a_superuser_starts_a_trial_and_the_card_shows_it(browser, sam, acme, plan):
    client = browser(sam)

    answer = start(client, acme, plan)

    assert (answer.status_code, answer["Location"]) == (303, "/products/")
    assert actions_of(acme) == ["trial.started", "product.enabled"]
    page = text_of(client.get("/products/"))
    assert "The trial of WebSockets has started for Acme." in page
    assert "by Sam" in page
    assert "or after 1,000,000 connection minutes" in page
    assert "0 of 1,000,000 connection minutes used" in page
    assert "Purchase WebSockets…" in page
    assert "Start a trial" not in page


@pytest.mark.parametrize("who", ["eve", "bo", "una"])
def test_others_see_the_trial_and_no_action(request, browser, who, sam, acme, plan):
    start(browser(sam), acme, plan)
    client = browser(request.getfixturevalue(who))

    page = text_of(client.get("/products/"))

    assert "Trial started" in page
    assert "Superusers can purchase it: Sam." in page
    assert "Purchase WebSockets…" not in page
    assert client.get(PAGE).status_code == 403


def test_the_trial_needs_the_tick_and_the_text_of_now(browser, sam, acme, plan):
    client = browser(sam)

    for changes in ({"agree": ""}, {"agreed_text": "Another text."}):
        answer = start(client, acme, plan, **changes)
        assert answer.status_code in {400, 409}
        assert "The trial was not started" in text_of(answer)
    assert not Enablement.objects.exists()


def test_starting_a_trial_asks_for_a_recent_login(browser, sam, acme, plan):
    answer = start(browser(sam, confirmed=301), acme, plan)

    assert answer.status_code == 403
    assert "Confirm to start the trial of WebSockets for Acme" in text_of(answer)
    assert not Enablement.objects.exists()


def test_an_ended_trial_stays_on_the_card_and_can_be_purchased(
    browser, sam, acme, plan, websockets
):
    client = browser(sam)
    start(client, acme, plan)
    # The trial is moved into the past, because the pages show what is now.
    earlier = timedelta(days=15)
    Enablement.objects.update(
        starts_at=F("starts_at") - earlier, trial_ends_at=F("trial_ends_at") - earlier
    )
    check_trials(timezone.now())

    page = text_of(client.get("/products/"))
    assert "Trial ended" in page
    assert "Its time is over. A superuser can purchase WebSockets." in page
    review = client.get("/products/websockets/enable/")
    assert "Purchase WebSockets" in text_of(review)
    assert "An account can try a product once." in text_of(client.get(PAGE))

    client.post(
        "/products/websockets/enable/",
        {"agreed_text": review.context["agreed_text"], "agree": "on"},
    )

    page = text_of(client.get("/products/"))
    assert "Trial started" in page
    assert "by Sam" in page
    assert "Blocked" not in page
    assert Enablement.objects.get(ends_at=None).source == "direct"


def test_disabling_a_trial_says_that_it_cannot_be_started_again(
    browser, sam, acme, plan
):
    client = browser(sam)
    start(client, acme, plan)
    page = "/products/websockets/disable/"
    review = text_of(client.get(page))
    assert "it can't be started again" in review
    assert "Let them end" not in review
    assert "Usage until now is billed" not in review

    client.post(page, {"drain_mode": "drain"})

    page = text_of(client.get("/products/"))
    assert "Purchase WebSockets…" in page
    assert "Start a trial" not in page
