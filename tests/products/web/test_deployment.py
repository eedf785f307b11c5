"""Deploying in the browser: *Why can't I deploy?*, the review, going live, taking off, rolling back."""

import pytest
from django.urls import reverse

from products.deploy.models import Deployment
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    VersionFactory,
)
from tests.products.web.conftest import actions_of, text_of


def page_of(version, name):
    return reverse(name, args=[version.service_id, version.number])


@pytest.mark.parametrize(
    ("who", "sentence"),
    [
        ("sam", "You can: Sam may deploy echo, version 1. No check fails."),
        ("eve", "You can: Eve may deploy echo, version 1. No check fails."),
        ("una", "Una may not deploy echo, version 1. 1 of eight checks fails"),
        ("bo", "Bo may not deploy echo, version 1. 1 of eight checks fails"),
        ("lin", "Lin may not deploy echo, version 1. 1 of eight checks fails"),
    ],
)
def test_everybody_reads_why_they_may_or_may_not(
    request, browser, draft, who, sentence
):
    answer = browser(request.getfixturevalue(who)).get(page_of(draft, "why"))

    assert answer.status_code == 200
    assert sentence in text_of(answer)
    assert answer.content.count(b"<summary>") >= 8
    assert (b"<details open>" in answer.content) is ("may not" in sentence)


def test_who_is_refused_reads_who_can_help(browser, sam, una, draft):
    page = text_of(browser(una).get(page_of(draft, "why")))

    assert "Your role is user" in page
    assert "Who can: Sam" in page


def test_a_limited_member_reads_nothing_of_what_the_version_holds(browser, lin, draft):
    page = text_of(browser(lin).get(page_of(draft, "activate_version")))

    assert "origin.example.com" not in page
    assert "This version cannot be activated by you now" in page


def test_the_same_list_is_had_through_the_api(browser, eve, draft):
    page = text_of(browser(eve).get(page_of(draft, "why")))

    assert (
        f"http://testserver/api/v1/decision?service={draft.service_id}&version=1"
        in page
    )


def test_the_review_of_the_first_version_has_nothing_to_compare_with(
    browser, eve, draft
):
    page = text_of(browser(eve).get(page_of(draft, "activate_version")))

    assert "Nothing is live now; this becomes the first." in page
    assert "There is no live version to compare with." in page
    assert "Activate version 1" in page


@pytest.mark.parametrize(("who", "link"), [("sam", True), ("eve", False)])
def test_a_version_goes_live(request, browser, acme, draft, who, link):
    answer = browser(request.getfixturevalue(who)).post(
        page_of(draft, "activate_version"), {"comment": "First"}, follow=True
    )

    draft.refresh_from_db()
    page = text_of(answer)
    assert draft.active
    assert "Version 1 of echo is live." in page
    assert ("View in Activity" in page) is link
    assert "version 1 by" in page
    assert ": First" in page
    assert "version.activated" in actions_of(acme)


def second(draft):
    """Make version 2, whose origin is another."""
    made = VersionFactory.create(service=draft.service, number=2)
    DomainFactory.create(version=made, name="echo.example.com")
    BackendFactory.create(
        version=made, name="origin", address="new.example.com", port=80, use_ssl=False
    )
    return made


def test_an_older_version_is_rolled_back_to(browser, eve, draft):
    client = browser(eve)
    client.post(page_of(draft, "activate_version"))
    newer = second(draft)
    client.post(page_of(newer, "activate_version"))

    review = text_of(client.get(page_of(draft, "activate_version")))
    client.post(page_of(draft, "activate_version"))

    draft.refresh_from_db()
    assert "Rolls back from version 2 to version 1." in review
    assert "was new.example.com becomes origin.example.com" in review
    assert draft.active
    assert Deployment.objects.filter(service=draft.service).count() == 3


def test_the_review_shows_what_differs(browser, eve, draft):
    client = browser(eve)
    client.post(page_of(draft, "activate_version"))

    page = text_of(client.get(page_of(second(draft), "activate_version")))

    assert "Takes the place of version 1." in page
    assert "was origin.example.com becomes new.example.com" in page


@pytest.mark.parametrize(("who", "status"), [("una", 403), ("bo", 403), ("lin", 403)])
def test_a_refused_deployment_says_why_and_is_in_the_trail(
    request, browser, acme, draft, who, status
):
    client = browser(request.getfixturevalue(who))

    answer = client.post(page_of(draft, "activate_version"))

    draft.refresh_from_db()
    page = text_of(answer)
    assert answer.status_code == status
    assert "Nothing was deployed" in page
    assert "This refusal is kept in the audit trail." in page
    assert not draft.active
    assert actions_of(acme) == ["deployment.refused"]


def test_a_broken_rule_is_a_conflict_and_in_the_trail(
    browser, eve, acme, switched_on, draft
):
    BackendFactory.create(version=draft, name="far", shield="frankfurt-de")

    answer = browser(eve).post(page_of(draft, "activate_version"))

    assert answer.status_code == 409
    assert "Backend far uses the shield frankfurt-de" in text_of(answer)
    assert actions_of(acme)[-1] == "deployment.refused"


def test_the_review_of_what_cannot_go_live_has_no_button(
    browser, eve, switched_on, draft
):
    BackendFactory.create(version=draft, name="far", shield="frankfurt-de")

    page = text_of(browser(eve).get(page_of(draft, "activate_version")))

    assert "This version cannot be activated by you now" in page
    assert "Activate version 1" not in page


def test_a_version_is_taken_off_once(browser, sam, draft):
    client = browser(sam)
    client.post(page_of(draft, "activate_version"))

    first = client.post(page_of(draft, "deactivate_version"), follow=True)
    again = client.post(page_of(draft, "deactivate_version"), follow=True)

    draft.refresh_from_db()
    assert not draft.active
    assert (
        "Version 1 of echo is off. Its domains answer 404 now. View in Activity"
        in text_of(first)
    )
    assert 'role="alert"' in again.content.decode()


def test_who_may_not_deploy_takes_nothing_off(browser, eve, una, draft):
    browser(eve).post(page_of(draft, "activate_version"))

    answer = browser(una).post(page_of(draft, "deactivate_version"))

    draft.refresh_from_db()
    assert (answer.status_code, draft.active) == (403, True)


@pytest.mark.parametrize("name", ["why", "activate_version"])
def test_a_stranger_finds_nothing(browser, stan, draft, name):
    assert browser(stan).get(page_of(draft, name)).status_code == 404
