"""The findings beside a part's form follow what is typed, and nothing is saved."""

from django.urls import reverse

from products.services.kinds import KINDS
from tests.factories.services import parts, set_values
from tests.products.web.conftest import as_typed, edit_page, text_of


def preview_page(version, kind):
    return reverse("preview", args=[version.service_id, version.number, kind])


def test_the_findings_follow_what_is_typed_and_nothing_is_saved(
    browser, eve, switched_on, draft
):
    client = browser(eve)
    typed = as_typed(client, edit_page(draft), was="origin", shield="frankfurt-de")

    answer = client.post(preview_page(draft, "backend"), typed)

    words = text_of(answer)
    assert "Backend origin uses the shield frankfurt-de" in words
    assert "Includes your unsaved changes." in words
    assert b'<a href="#id_shield">' in answer.content
    assert parts("backend", version=draft).get().value("shield") is None


def test_a_new_part_is_checked_before_it_has_a_name(browser, eve, switched_on, draft):
    answer = browser(eve).post(
        preview_page(draft, "backend"), {"was": "", "shield": "frankfurt-de"}
    )

    assert "Backend without a name uses the shield frankfurt-de" in text_of(answer)


def test_a_domain_that_is_not_saved_yet_is_linked_to_its_field(browser, eve, draft):
    answer = browser(eve).post(
        preview_page(draft, "domain"), {"was": "", "name": "no domain"}
    )

    assert '<a href="#id_name">Go to domain no domain</a>' in answer.content.decode()


def test_a_header_rule_is_checked_while_it_is_typed(browser, eve, switched_on, draft):
    typed = {"was": "", "name": "who", "type": "request", "action": "regex"}

    answer = browser(eve).post(preview_page(draft, "header"), typed)

    assert "Header rule who is ignored on WebSocket connections" in text_of(answer)


def test_a_preview_accepts_any_input(browser, eve, switched_on, draft):
    client = browser(eve)
    typed = {"name": "\x07", "port": "x"}

    answers = {
        kind: client.post(preview_page(draft, kind), typed).status_code
        for kind in KINDS
    }

    assert answers == dict.fromkeys(KINDS, 200)


def test_a_missing_part_is_linked_to_the_field_that_names_it(browser, eve, draft):
    set_values(draft.parts.filter(kind="backend"), healthcheck="beat")
    client = browser(eve)
    typed = as_typed(client, edit_page(draft), was="origin")
    link = b'<a href="#id_healthcheck">'

    answer = client.post(preview_page(draft, "backend"), typed)
    cleared = client.post(preview_page(draft, "backend"), typed | {"healthcheck": ""})

    assert "Health check of backend origin names “beat”" in text_of(answer)
    assert link in answer.content
    assert "beat”" not in text_of(cleared)
