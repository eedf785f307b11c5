"""Several parts of a draft on one page: one save for all, conflicts by field, nothing lost."""

import pytest
from django.urls import reverse

from products.services.kinds import KINDS
from products.services.queries import all_parts
from tests.factories.services import BackendFactory, parts, revision_of, set_values
from tests.products.web.conftest import actions_of, queries_of, text_of


@pytest.fixture
def page(draft):
    """Return the address of the page of the draft's domains and backends."""
    return reverse("edit_parts", args=[draft.service_id, draft.number])


@pytest.fixture
def second(draft):
    """Return a second backend of the draft."""
    return BackendFactory.create(
        version=draft, name="second", address="two.example.com"
    )


def as_typed(client, page):
    """Return the data that the page's form sends."""
    typed: dict[str, object] = {}
    sent: list[str] = []
    typed["part"] = sent
    for edit in client.get(page).context["edits"]:
        key = edit.prefix if edit.row else "new"
        sent.append(f"{edit.kind.segment}:{key}")
        typed[f"{edit.start_of_names}base"] = edit.base
        typed |= {
            field.html_name: field.value()
            for field in edit.form
            if field.value() not in (None, False, "")
        }
    return typed


def origin(draft):
    return parts("backend", version=draft).get(name="origin")


def test_all_domains_and_backends_are_changed_and_added_with_one_save(
    browser, eve, acme, draft, second, page
):
    client = browser(eve)
    first = origin(draft)
    typed = as_typed(client, page) | {
        f"{first.public_id}-address": "new.example.com",
        f"{second.public_id}-name": "renamed",
        "new-domain-name": "added.example.com",
    }

    answer = client.post(page, typed, follow=True)

    saved = {row.name: row.value("address") for row in parts("backend", version=draft)}
    assert saved == {"origin": "new.example.com", "renamed": "two.example.com"}
    assert parts("domain", version=draft, name="added.example.com").exists()
    assert "Saved: domain added.example.com, backend origin, backend renamed." in (
        text_of(answer)
    )
    assert sorted(actions_of(acme)[-3:]) == [
        "backend.updated",
        "backend.updated",
        "domain.created",
    ]


def test_a_form_that_changes_nothing_saves_nothing(browser, eve, draft, page):
    client = browser(eve)
    before = revision_of(draft)

    answer = client.post(page, as_typed(client, page), follow=True)

    assert "No changes." in text_of(answer)
    assert revision_of(draft) == before


def test_an_error_in_one_part_saves_none_and_keeps_everything_typed(
    browser, eve, draft, second, page
):
    client = browser(eve)
    first, before = origin(draft), revision_of(draft)
    typed = as_typed(client, page) | {
        f"{first.public_id}-address": "new.example.com",
        f"{second.public_id}-port": "99999",
        "new-domain-name": "no domain",
    }

    answer = client.post(page, typed)

    content = answer.content.decode()
    assert answer.status_code == 400
    assert "Nothing was saved" in content
    assert f'href="#id_{second.public_id}-port"' in content
    assert 'href="#id_new-domain-name"' in content
    assert all(
        f'value="{each}"' in content
        for each in ("new.example.com", "99999", "no domain")
    )
    assert revision_of(draft) == before


def test_a_name_that_is_taken_saves_none_and_is_said_at_its_field(
    browser, eve, draft, second, page
):
    client = browser(eve)
    first = origin(draft)
    typed = as_typed(client, page) | {
        f"{first.public_id}-address": "new.example.com",
        f"{second.public_id}-name": "origin",
    }

    answer = client.post(page, typed)

    assert answer.status_code == 409
    assert (
        f'<a href="#id_{second.public_id}-name">Backend second, Name</a>: '
        "This version already has a backend origin."
    ) in answer.content.decode()
    assert origin(draft).value("address") == "origin.example.com"


@pytest.mark.parametrize(
    ("chosen", "saved"),
    [("mine", "mine.example.com"), ("saved", "other.example.com")],
)
def test_a_field_that_someone_else_changed_is_chosen_and_other_fields_are_no_conflict(
    browser, eve, draft, second, page, chosen, saved
):
    client = browser(eve)
    first = origin(draft)
    typed = as_typed(client, page) | {
        f"{first.public_id}-address": "mine.example.com",
        f"{second.public_id}-override_host": "host.example.com",
    }
    set_values([first], address="other.example.com", weight=7)

    refused = client.post(page, typed)
    again = dict(refused.context["conflicting"][0].form.data.lists())
    again |= {
        f"{edit.start_of_names}base": edit.base for edit in refused.context["edits"]
    }
    client.post(page, again | {f"{first.public_id}-use_address": chosen})

    words = text_of(refused)
    assert refused.status_code == 409
    assert "Backend origin Address Keep my change: mine.example.com" in words
    assert words.count("Keep my change") == 1
    assert origin(draft).value("address") == saved
    assert origin(draft).value("weight") == 7
    second.refresh_from_db()
    assert second.value("override_host") == "host.example.com"


def test_what_was_typed_for_a_part_that_someone_else_removed_is_shown(
    browser, eve, draft, second, page
):
    client = browser(eve)
    untouched = as_typed(client, page)
    typed = untouched | {f"{second.public_id}-address": "typed.example.com"}
    second.delete()

    refused = client.post(page, typed)
    accepted = client.post(page, untouched)

    words = text_of(refused)
    assert refused.status_code == 409
    assert "Backend second was removed" in words
    assert "Address typed.example.com" in words
    assert accepted.status_code == 303


def test_what_was_typed_for_a_version_that_was_locked_meanwhile_is_shown(
    browser, eve, draft, second, page
):
    client = browser(eve)
    typed = as_typed(client, page) | {
        f"{second.public_id}-address": "typed.example.com",
        "new-domain-name": "added.example.com",
    }
    client.post(reverse("lock_version", args=[draft.service_id, draft.number]))

    refused = client.post(page, typed)

    shown = refused.content.decode()
    assert refused.status_code == 409
    assert "Clone version 1 to edit" in text_of(refused)
    for value in ("typed.example.com", "added.example.com"):
        assert f'data-copy="{value}"' in shown
    assert 'data-copy="origin.example.com"' not in shown
    assert "What you typed" not in text_of(client.get(page))


def test_what_was_typed_in_several_parts_is_saved_in_a_clone(
    browser, eve, draft, second, page
):
    client = browser(eve)
    typed = as_typed(client, page) | {
        f"{second.public_id}-address": "typed.example.com",
        "new-domain-name": "added.example.com",
    }
    client.post(reverse("lock_version", args=[draft.service_id, draft.number]))
    refused = client.post(page, typed)
    carried: dict[str, list[str]] = {}
    for name, value in refused.context["carried"]:
        carried.setdefault(name, []).append(value)

    answer = client.post(page, carried | {"clone": "1"}, follow=True)

    clone = draft.service.versions.get(number=draft.number + 1)
    addresses = {
        row.name: row.value("address") for row in parts("backend", version=clone)
    }
    assert f"Created draft version {clone.number}" in text_of(answer)
    assert addresses["second"] == "typed.example.com"
    assert addresses["origin"] == "origin.example.com"
    assert parts("domain", version=clone).filter(name="added.example.com").exists()


def test_parts_that_get_new_ids_in_a_clone_are_only_shown_to_copy(
    browser, eve, draft, page
):
    client = browser(eve)
    page += "?kind=rate-limiters"
    typed = as_typed(client, page) | {"new-rate-limiters-name": "typed"}
    client.post(reverse("lock_version", args=[draft.service_id, draft.number]))

    refused = client.post(page, typed)

    assert "What you typed" in text_of(refused)
    assert "Clone to a new draft with these values" not in text_of(refused)


def test_findings_follow_what_is_typed_in_all_parts_and_link_to_their_fields(
    browser, eve, switched_on, draft, second, page
):
    client = browser(eve)
    preview = reverse("preview_parts", args=[draft.service_id, draft.number])
    typed = as_typed(client, page) | {
        f"{second.public_id}-shield": "frankfurt-de",
        "new-backend-name": "third",
        "new-backend-address": "three.example.com",
        "new-backend-shield": "osaka-jp",
    }
    before = revision_of(draft)

    answer = client.post(preview, typed)

    words, content = text_of(answer), answer.content.decode()
    assert "Backend second uses the shield frankfurt-de" in words
    assert "Backend third uses the shield osaka-jp" in words
    assert f'href="#id_{second.public_id}-shield"' in content
    assert 'href="#id_new-backend-shield"' in content
    assert revision_of(draft) == before


def test_of_many_parts_the_first_are_shown_with_a_link_to_the_others(
    browser, eve, draft, page
):
    client = browser(eve)
    few = queries_of(client, page)
    for number in range(30):
        BackendFactory.create(version=draft, name=f"b{number}")

    answer = client.get(page)
    last = all_parts(draft)["backend"][9].position
    others = client.get(page, {"kind": "backend", "after": last})

    assert f"?kind=backend&amp;after={last}" in answer.content.decode()
    assert "Edit the other 21 backends" in text_of(answer)
    assert len(answer.content) < 100_000
    assert [edit.title for edit in others.context["edits"]] == [
        f"Backend b{number}" for number in range(9, 19)
    ]
    assert queries_of(client, page) == few


def test_kinds_with_names_have_the_page_and_others_have_not(browser, eve, draft, page):
    client = browser(eve)
    wanted = {kind.segment: 200 if kind.has_name else 404 for kind in KINDS.values()}

    answers = {
        segment: client.get(page, {"kind": segment}).status_code for segment in wanted
    }
    unknown = client.get(page, {"kind": "nothing"}).status_code

    assert answers == wanted
    assert unknown == 404


def test_who_may_not_configure_changes_nothing(browser, una, draft, page):
    client = browser(una)
    typed = {"part": ["domain:new"], "new-domain-name": "added.example.com"}
    before = revision_of(draft)

    shown, sent = client.get(page), client.post(page, typed)

    assert b'id="parts"' not in shown.content
    assert sent.status_code == 403
    assert revision_of(draft) == before
