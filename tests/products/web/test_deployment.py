"""Deploying in the browser: *Why can't I deploy?*, review, activation, rollback, deactivation."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from products.deploy.commands import activate
from products.deploy.models import Deployment
from products.domains.models import ActiveDomain
from products.enablement.models import Enablement
from products.services.models import Version
from tests.factories import NOW
from tests.factories.accounts import member
from tests.factories.enablement import block_by_budget, entitle
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    ServiceFactory,
    SnippetFactory,
    VersionFactory,
)
from tests.products.metering.reports import make_edge
from tests.products.web.conftest import actions_of, text_of


def page_of(version, name):
    return reverse(name, args=[version.service_id, version.number])


@pytest.mark.parametrize(
    ("who", "sentence"),
    [
        ("sam", "You can deploy echo, version 1. All checks pass."),
        ("eve", "You can deploy echo, version 1. All checks pass."),
        ("una", "You can't deploy echo, version 1. 1 of 8 checks failed."),
        ("bo", "You can't deploy echo, version 1. 1 of 8 checks failed."),
        ("lin", "You can't deploy echo, version 1. 1 of 8 checks failed."),
    ],
)
def test_each_role_reads_why_it_can_or_cannot_deploy(
    request, browser, draft, who, sentence
):
    answer = browser(request.getfixturevalue(who)).get(page_of(draft, "why"))

    assert answer.status_code == 200
    assert sentence in text_of(answer)
    assert answer.content.count(b"<summary>") >= 8
    assert (b"<details open>" in answer.content) is ("can't" in sentence)


def test_a_failed_check_names_who_can_fix_it(browser, sam, una, draft):
    page = text_of(browser(una).get(page_of(draft, "why")))

    assert "Your role is user" in page
    assert "Who can fix it: Sam" in page


def test_a_limited_member_does_not_see_the_configuration(browser, lin, draft):
    page = text_of(browser(lin).get(page_of(draft, "activate_version")))

    assert "origin.example.com" not in page
    assert "You can't activate this version" in page


def test_the_page_names_the_api_request_for_the_same_list(browser, eve, draft):
    page = browser(eve).get(page_of(draft, "why")).content.decode()

    assert (
        f"http://testserver/api/v1/decision?service={draft.service_id}&amp;version=1"
        in page
    )


def test_the_review_of_the_first_version_has_nothing_to_compare_with(
    browser, eve, draft
):
    page = text_of(browser(eve).get(page_of(draft, "activate_version")))

    assert "No version is active yet." in page
    assert "No active version to compare with." in page
    assert "Activate version 1" in page


@pytest.mark.parametrize(("who", "link"), [("sam", True), ("eve", False)])
def test_a_version_is_activated(request, browser, acme, draft, who, link):
    answer = browser(request.getfixturevalue(who)).post(
        page_of(draft, "activate_version"), {"comment": "First"}, follow=True
    )

    draft.refresh_from_db()
    page = text_of(answer)
    assert draft.active
    assert "Activated version 1 of echo." in page
    assert ("View in Activity" in page) is link
    assert "version 1 by" in page
    assert ": First" in page
    assert "version.activated" in actions_of(acme)


def second(draft):
    """Return version 2, which has another origin."""
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
    assert "was new.example.com → becomes origin.example.com" in review
    assert draft.active
    assert Deployment.objects.filter(service=draft.service).count() == 3


def test_the_review_shows_what_differs(browser, eve, draft):
    client = browser(eve)
    client.post(page_of(draft, "activate_version"))

    page = text_of(client.get(page_of(second(draft), "activate_version")))

    assert "Replaces version 1." in page
    assert "was origin.example.com → becomes new.example.com" in page


def test_a_refused_deployment_says_why_and_is_in_the_trail(browser, acme, una, draft):
    answer = browser(una).post(page_of(draft, "activate_version"))

    draft.refresh_from_db()
    page = text_of(answer)
    assert answer.status_code == 403
    assert "Nothing was deployed" in page
    assert "The attempt is in the audit trail." in page
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


def test_the_review_of_a_blocked_version_has_no_button(
    browser, eve, switched_on, draft
):
    BackendFactory.create(version=draft, name="far", shield="frankfurt-de")

    page = text_of(browser(eve).get(page_of(draft, "activate_version")))

    assert "You can't activate this version" in page
    assert "Activate version 1" not in page


def test_the_review_of_a_deactivation_names_what_stops_working(
    browser, sam, eve, draft, now
):
    activate(eve, version=draft, now=now)

    page = text_of(browser(sam).get(page_of(draft, "deactivate_version")))

    assert "1 domain will return 404 to every request" in page
    assert "Domain echo.example.com Open connections No connection is open." in page
    assert "Type echo to confirm" not in page


def test_a_version_is_deactivated_once(browser, sam, draft):
    client = browser(sam)
    client.post(page_of(draft, "activate_version"))

    first = client.post(
        page_of(draft, "deactivate_version"), {"comment": "Moved"}, follow=True
    )
    again = client.post(page_of(draft, "deactivate_version"), follow=True)

    draft.refresh_from_db()
    assert not draft.active
    assert (
        "Deactivated version 1 of echo. Its domains now return 404. View in Activity"
        in text_of(first)
    )
    assert "version 1 by Sam, just now : Moved" in text_of(first)
    assert 'role="alert"' in again.content.decode()


def test_with_connections_that_may_be_open_the_name_is_typed_to_deactivate(
    browser, sam, draft
):
    client = browser(sam)
    client.post(page_of(draft, "activate_version"))
    make_edge(last_seen_at=timezone.now() - timedelta(minutes=10))
    page = page_of(draft, "deactivate_version")

    without = client.post(page, {"comment": "Moved"})
    draft.refresh_from_db()
    still_active = draft.active
    typed = client.post(page, {"typed": "echo"})

    draft.refresh_from_db()
    assert (without.status_code, still_active) == (400, True)
    assert b'value="Moved"' in without.content
    assert (typed.status_code, draft.active) == (303, False)


def test_a_member_without_the_permission_deactivates_nothing(browser, eve, una, draft):
    browser(eve).post(page_of(draft, "activate_version"))

    client = browser(una)
    answers = [
        client.get(page_of(draft, "deactivate_version")),
        client.post(page_of(draft, "deactivate_version")),
    ]

    draft.refresh_from_db()
    assert [answer.status_code for answer in answers] == [403, 403]
    assert draft.active


@pytest.mark.parametrize("name", ["why", "activate_version"])
def test_a_non_member_gets_404(browser, stan, draft, name):
    assert browser(stan).get(page_of(draft, name)).status_code == 404


def test_too_long_a_comment_is_kept_in_the_form_and_activates_nothing(
    browser, eve, draft
):
    answer = browser(eve).post(
        page_of(draft, "activate_version"), {"comment": "x" * 501}
    )

    draft.refresh_from_db()
    assert answer.status_code == 400
    assert b"x" * 501 in answer.content
    assert b'id="comment-error"' in answer.content
    assert not draft.active


def test_the_active_version_cannot_be_deployed_again(browser, eve, draft):
    client = browser(eve)
    client.post(page_of(draft, "activate_version"))

    checks = text_of(client.get(page_of(draft, "why")))
    review = text_of(client.get(page_of(draft, "activate_version")))
    again = client.post(page_of(draft, "activate_version"), follow=True)

    assert "echo, version 1 is active. Nothing to deploy." in checks
    assert "failed" not in checks
    assert "Activate version 1" not in review
    assert "What changes" not in review
    assert "Version 1 of echo is active already." in text_of(again)
    assert Deployment.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "link"),
    [
        ({"shield": "frankfurt-de"}, "/backend/edit/far/?field=shield#id_shield"),
        ({"ssl_check_cert": False}, "/backend/edit/far/?field=ssl_check_cert"),
    ],
)
def test_a_failed_check_links_to_the_field_to_fix(
    browser, eve, switched_on, draft, change, link
):
    BackendFactory.create(version=draft, name="far", **change)

    assert link in browser(eve).get(page_of(draft, "why")).content.decode()


def test_a_check_names_some_of_many_people_and_counts_the_others(
    browser, acme, sam, una, draft
):
    for number in range(9):
        member(acme, f"Super {number}", Role.SUPERUSER)

    page = text_of(browser(una).get(page_of(draft, "why")))

    assert "Who can fix it: Sam, Super 0, Super 1 and 7 more" in page


def test_what_is_not_enabled_is_requested_from_the_checks(
    browser, eve, switched_on, draft
):
    Enablement.objects.update(ends_at=NOW)
    client = browser(eve)
    why = page_of(draft, "why")

    before = client.get(why)
    sent = client.post("/products/websockets/request/", {"next": why}, follow=True)

    assert "A superuser can enable it on the Products page." in text_of(before)
    assert f'name="next" value="{why}"' in before.content.decode()
    assert sent.redirect_chain == [(why, 303)]
    assert "Requested today" in text_of(sent)
    assert "Request access" not in text_of(sent)


@pytest.mark.parametrize(("who", "leads"), [("sam", True), ("eve", False)])
def test_a_used_up_budget_leads_who_sees_costs_to_it(
    request, browser, acme, switched_on, draft, who, leads
):
    block_by_budget(acme)

    page = browser(request.getfixturevalue(who)).get(page_of(draft, "why"))

    assert "accept new connections again, on the Billing page." in text_of(page)
    assert ('href="/billing/#budget"' in page.content.decode()) is leads


def test_a_superuser_follows_the_checks_to_enable(browser, sam, switched_on, draft):
    Enablement.objects.update(ends_at=NOW)

    page = browser(sam).get(page_of(draft, "why"))

    assert 'href="/products/websockets/enable/"' in page.content.decode()
    assert "1 of 8 checks failed" in text_of(page)


def test_websockets_is_switched_on_from_the_checks(
    browser, sam, eve, acme, draft, websockets
):
    entitle(sam, acme, websockets)
    SnippetFactory.create(version=draft)
    client = browser(eve)
    why = page_of(draft, "why")

    before = text_of(client.get(why))
    page = reverse("switch_on", args=[draft.service_id])
    after = client.post(page, {"next": why}, follow=True)

    assert "Switch WebSockets on" in before
    assert after.redirect_chain == [(why, 303)]
    assert "All checks pass." in text_of(after)


LACKING = [
    ("domain", "backend/add/", "Add a backend"),
    ("backend", "domain/add/", "Add a domain"),
]


@pytest.mark.parametrize("kept, link, label", LACKING)
def test_what_a_version_lacks_is_added_from_the_checks(
    browser, eve, draft, kept, link, label
):
    draft.parts.exclude(kind=kept).delete()

    page = browser(eve).get(page_of(draft, "why"))

    assert f'/versions/1/{link}">{label}</a>' in page.content.decode()


def test_a_locked_version_is_cloned_from_the_checks(browser, eve, una, draft):
    draft.parts.filter(kind="backend").delete()
    Version.objects.update(locked=True)

    page = text_of(browser(eve).get(page_of(draft, "why")))
    for_others = text_of(browser(una).get(page_of(draft, "why")))

    assert "Version 1 can't be edited. Clone version 1 to edit" in page
    assert "Open version 1" in page
    assert "Clone version" not in for_others


def test_each_reason_has_its_own_fix(browser, eve, globex, draft):
    other = ServiceFactory.create(account=globex, name="other")
    ActiveDomain.objects.create(name="echo.example.com", service=other)
    draft.parts.filter(kind="backend").delete()

    answer = browser(eve).get(page_of(draft, "why"))

    page = text_of(answer)
    assert "Version has no associated backends. How to fix it: Add a backend." in page
    assert (
        "The domain echo.example.com is active in another service. How to fix it: "
        "Remove echo.example.com from this version" in page
    )
    assert "/domain/edit/echo.example.com/" in answer.content.decode()


def test_a_role_is_changed_on_members(browser, una, draft):
    page = browser(una).get(page_of(draft, "why"))

    assert 'href="/members/">Open Members</a>' in page.content.decode()


@pytest.mark.parametrize("who", ["eve", "una"])
def test_of_an_active_version_the_checks_say_so(request, browser, eve, draft, who, now):
    activate(eve, version=draft, now=now)

    page = text_of(browser(request.getfixturevalue(who)).get(page_of(draft, "why")))

    assert "echo, version 1 is active. Nothing to deploy." in page
    assert "You can't deploy" not in page
