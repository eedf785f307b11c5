"""The page of a version: its parts, its comment, its findings; cloning and locking it."""

import pytest
from django.urls import reverse

from products.services.models import Version
from tests.factories.services import (
    BackendFactory,
    HeaderFactory,
    LogEndpointFactory,
    PartFactory,
    live_version,
)
from tests.products.web.conftest import queries_of, text_of

HUGE = "99999999999999999999"


def page_of(version, name="version", *more):
    return reverse(name, args=[version.service_id, version.number, *more])


def test_parts_are_listed_and_missing_kinds_take_one_line(browser, eve, draft):
    page = text_of(browser(eve).get(page_of(draft)))

    assert "Domain Add a domain echo.example.com" in page
    assert "Backend Add a backend origin origin.example.com:80" in page
    assert (
        "Add to this version Add a header rule Add a VCL snippet Add a VCL file Add an HTTPS log endpoint Add a syslog log endpoint"
        in page
    )
    assert "None." not in page


def test_a_locked_version_offers_a_clone_and_no_edit(browser, eve, echo):
    live = live_version(echo, "echo.example.com")

    answer = browser(eve).get(page_of(live))
    page = text_of(answer)

    assert "This version is active and can't be edited." in page
    assert "Clone version 1 to edit" in page
    assert (
        "No header rules, VCL snippets, VCL files, HTTPS log endpoints or syslog log endpoints."
        in page
    )
    assert b"/edit/" not in answer.content
    assert b"/remove/" not in answer.content


def test_a_member_who_can_only_read_gets_the_reason_and_no_forms(browser, una, draft):
    answer = browser(una).get(page_of(draft))

    assert answer.status_code == 200
    assert b"/edit/" not in answer.content
    assert b"Save comment" not in answer.content
    assert "Your role is user" in text_of(answer)


def test_a_finding_links_to_its_field(browser, eve, switched_on, draft):
    BackendFactory.create(version=draft, name="far", shield="frankfurt-de")
    HeaderFactory.create(version=draft, name="tenant", request_condition="only chat")
    PartFactory.create(version=draft, kind="condition", name="only chat")

    answer = browser(eve).get(page_of(draft))
    content = answer.content.decode()

    backend = page_of(draft, "edit_part", "backend", "far")
    header = page_of(draft, "edit_part", "header", "tenant")
    assert f'<a href="{backend}?field=shield#id_shield">Shield of far</a>' in content
    assert f'<a href="{header}?field=action#id_action">Action of tenant</a>' in content
    assert "1 blocker, 2 warnings, 0 notes." in text_of(answer)
    assert "R6" in text_of(answer)
    assert "R11" in text_of(answer)


def test_a_finding_has_no_link_if_the_version_cannot_be_edited(
    browser, una, switched_on, draft
):
    BackendFactory.create(version=draft, name="far", shield="frankfurt-de")

    answer = browser(una).get(page_of(draft))

    assert "Backend far uses the shield" in text_of(answer)
    assert b"?field=" not in answer.content


@pytest.mark.parametrize(
    ("who", "label"),
    [("eve", "All checks of this version"), ("una", "Why can't I deploy?")],
)
def test_the_link_to_the_checks_asks_why_not_only_who_cannot_deploy(
    request, browser, draft, who, label
):
    page = browser(request.getfixturevalue(who)).get(page_of(draft))

    assert f'href="{page_of(draft, "why")}">{label}</a>' in page.content.decode()


def test_a_draft_that_cannot_be_deployed_links_to_the_reasons(
    browser, eve, switched_on, draft
):
    BackendFactory.create(version=draft, name="far", shield="frankfurt-de")

    page = browser(eve).get(page_of(draft)).content.decode()

    assert "Why can't I deploy?</a>" in page


def test_the_findings_are_a_fragment_of_their_own(browser, eve, switched_on, draft):
    LogEndpointFactory.create(version=draft)

    answer = browser(eve).get(page_of(draft, "findings"))

    assert "0 blockers, 0 warnings, 1 note." in text_of(answer)
    assert b"<html" not in answer.content


def test_the_number_of_queries_does_not_depend_on_the_parts(
    browser, eve, switched_on, draft
):
    client = browser(eve)
    few = queries_of(client, page_of(draft))
    BackendFactory.create_batch(3, version=draft)
    HeaderFactory.create_batch(3, version=draft)

    assert queries_of(client, page_of(draft)) == few


def test_a_comment_is_saved(browser, eve, draft):
    answer = browser(eve).post(page_of(draft), {"comment": "For the sale"}, follow=True)

    draft.refresh_from_db()
    assert draft.comment == "For the sale"
    assert "Comment saved." in text_of(answer)


def test_too_long_a_comment_is_kept_in_the_form_and_changes_nothing(
    browser, eve, draft
):
    answer = browser(eve).post(page_of(draft), {"comment": "x" * 501})

    draft.refresh_from_db()
    assert answer.status_code == 400
    assert b"x" * 501 in answer.content
    assert b'id="comment-error"' in answer.content
    assert draft.comment == ""


def test_a_version_is_cloned_to_edit(browser, eve, echo):
    live = live_version(echo, "echo.example.com")

    answer = browser(eve).post(
        reverse("new_version", args=[echo.pk]), {"from": "1"}, follow=True
    )

    made = Version.objects.get(service=echo, number=2)
    assert answer.redirect_chain == [(page_of(made), 303)]
    assert made.cloned_from == live.number
    assert "Created draft version 2 from version 1." in text_of(answer)
    assert "Saving does not deploy." in text_of(answer)


@pytest.mark.parametrize("form", [{}, {"from": ""}, {"from": "1x"}, {"from": "-1"}])
def test_a_form_that_names_no_version_creates_none(browser, eve, draft, form):
    answer = browser(eve).post(reverse("new_version", args=[draft.service_id]), form)

    assert answer.status_code == 400
    assert Version.objects.count() == 1


@pytest.mark.parametrize("number", ["7", "999999999"])
def test_an_unknown_version_cannot_be_cloned(browser, eve, draft, number):
    page = reverse("new_version", args=[draft.service_id])

    assert browser(eve).post(page, {"from": number}).status_code == 404
    assert Version.objects.count() == 1


def test_a_draft_is_locked_once(browser, eve, draft):
    client = browser(eve)

    first = client.post(page_of(draft, "lock_version"), follow=True)

    draft.refresh_from_db()
    assert draft.locked
    assert "Locked version 1." in text_of(first)
    assert "This version is locked and can't be edited." in text_of(first)


@pytest.mark.parametrize("action", ["new_version", "lock_version"])
def test_a_member_without_the_permission_changes_nothing(browser, una, draft, action):
    args = [draft.service_id, draft.number][: 1 if action == "new_version" else 2]

    answer = browser(una).post(reverse(action, args=args), {"from": "1"})

    draft.refresh_from_db()
    assert answer.status_code == 403
    assert (draft.locked, Version.objects.count()) == (False, 1)


@pytest.mark.parametrize(
    "rest",
    ["", "findings/", "why/", "activate/", "backend/add/", "backend/edit/origin/"],
)
@pytest.mark.parametrize("number", ["7", HUGE, "9" * 5000])
def test_an_unknown_number_is_not_found(browser, eve, draft, rest, number):
    page = f"/services/{draft.service_id}/versions/{number}/{rest}"

    assert browser(eve).get(page).status_code == 404


@pytest.mark.parametrize(
    "rest", ["lock/", "deactivate/", "activate/", "backend/preview/", "backend/add/"]
)
def test_an_unknown_number_changes_nothing(browser, eve, draft, rest):
    page = f"/services/{draft.service_id}/versions/{HUGE}/{rest}"

    assert browser(eve).post(page).status_code == 404


@pytest.mark.parametrize("rest", ["", "findings/", "backend/edit/origin/"])
def test_a_non_member_gets_404(browser, stan, draft, rest):
    page = f"/services/{draft.service_id}/versions/1/{rest}"

    assert browser(stan).get(page).status_code == 404
