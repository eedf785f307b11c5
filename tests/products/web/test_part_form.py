"""The forms of a draft's parts: every kind, every error at its field, and concurrent edits."""

import pytest
from django.urls import reverse

from tests.factories.services import BackendFactory, parts, revision_of, set_values
from tests.products.web.conftest import as_typed, edit_page, text_of

GOOD = {
    "domain": {"name": "www.example.com"},
    "backend": {"name": "second", "address": "two.example.com", "port": "443"},
    "header": {
        "name": "who",
        "type": "request",
        "action": "set",
        "dst": "http.X-Who",
        "src": '"1"',
    },
    "snippet": {"name": "recv", "type": "recv", "content": "# nothing"},
    "vcl": {"name": "main", "content": "sub vcl_recv { }"},
    "logging/https": {"name": "logs", "url": "https://logs.example.com/in"},
    "condition": {"name": "admin", "type": "REQUEST", "statement": "req.url"},
    "healthcheck": {"name": "ping", "headers": "Accept: a, Accept: b"},
}
BAD = {
    "domain": ({"name": "no domain"}, ["name"]),
    "backend": (
        {"name": "", "address": "a b", "port": "99999"},
        ["name", "address", "port"],
    ),
    "header": (
        {"name": "who", "type": "request", "action": "leap", "dst": "Host"},
        ["action", "dst"],
    ),
    "snippet": (
        {"name": "recv", "type": "sideways", "content": ""},
        ["type", "content"],
    ),
    "vcl": ({"name": "", "content": ""}, ["name", "content"]),
    "logging/https": ({"name": "logs", "url": "", "period": "x"}, ["url", "period"]),
    "condition": ({"name": "admin", "type": "X"}, ["type", "statement"]),
    "healthcheck": ({"name": "ping", "check_interval": "1"}, ["check_interval"]),
}
KIND = pytest.mark.parametrize("kind", list(GOOD))


def add_page(version, kind):
    return reverse("add_part", args=[version.service_id, version.number, kind])


def defaults_of(kind):
    return {
        "backend": {
            "weight": "100",
            "max_conn": "200",
            "connect_timeout": "1000",
            "first_byte_timeout": "15000",
            "between_bytes_timeout": "10000",
            "error_threshold": "0",
            "ssl_check_cert": "on",
        },
        "header": {"priority": "100"},
        "snippet": {"priority": "100"},
        "logging/https": {
            "period": "5",
            "request_max_bytes": "0",
            "request_max_entries": "0",
        },
        "condition": {"priority": "100"},
    }.get(kind, {})


def test_labels_and_choices_are_named_plainly(browser, eve, draft):
    backend = text_of(browser(eve).get(add_page(draft, "backend")))
    header = text_of(browser(eve).get(add_page(draft, "header")))

    assert all(
        label in backend for label in ("Prefer IPv6", "SNI hostname", "Health check")
    )
    assert "Default On Off" in backend
    assert "Choose…" in header
    assert "---" not in backend + header


@KIND
def test_a_part_is_added(browser, eve, draft, kind):
    typed = defaults_of(kind) | GOOD[kind]

    answer = browser(eve).post(add_page(draft, kind), typed, follow=True)

    assert answer.status_code == 200, answer.context["form"].errors
    assert parts(kind, version=draft, name=typed["name"]).exists()
    assert f"{typed['name']} saved." in text_of(answer)


@KIND
def test_every_error_is_shown_at_its_field_and_the_input_is_kept(
    browser, eve, draft, kind
):
    wrong, fields = BAD[kind]
    before = parts(kind).count()

    answer = browser(eve).post(add_page(draft, kind), defaults_of(kind) | wrong)

    content = answer.content.decode()
    assert answer.status_code == 400
    assert "Nothing was saved" in content
    assert set(answer.context["form"].errors) == set(fields)
    assert all(f'href="#id_{field}"' in content for field in fields)
    assert parts(kind).count() == before


def test_errors_of_form_and_validation_are_shown_together(browser, eve, draft):
    typed = defaults_of("backend") | {
        "name": "two",
        "address": "not a host",
        "port": "many",
    }

    answer = browser(eve).post(add_page(draft, "backend"), typed)

    assert set(answer.context["form"].errors) == {"address", "port"}
    assert b'value="not a host"' in answer.content
    assert b'value="many"' in answer.content


def test_a_name_that_is_taken_is_refused(browser, eve, draft):
    typed = defaults_of("backend") | GOOD["backend"] | {"name": "origin"}

    answer = browser(eve).post(add_page(draft, "backend"), typed)

    assert answer.status_code == 409
    assert "Duplicate backend: 'origin'" in text_of(answer)


def test_a_part_is_changed_and_renamed(browser, eve, draft):
    client = browser(eve)
    page = edit_page(draft)

    answer = client.post(
        page, as_typed(client, page, name="first", address="new.example.com")
    )

    row = parts("backend", version=draft).get()
    assert answer.status_code == 302
    assert (row.name, row.value("address")) == ("first", "new.example.com")


def test_the_second_of_two_edits_shows_both_values_and_can_overwrite(
    browser, eve, sam, draft
):
    mine, other = browser(eve), browser(sam)
    page = edit_page(draft)
    typed = as_typed(mine, page, address="mine.example.com")
    other.post(page, as_typed(other, page, address="other.example.com"))

    refused = mine.post(page, typed)
    again = mine.post(page, typed | {"revision": refused.context["revision"]})

    words = text_of(refused)
    assert refused.status_code == 409
    assert "Someone else changed this version while you were editing" in words
    assert "Address other.example.com mine.example.com" in words
    assert "Keep my changes Use their changes" in words
    assert refused.context["revision"] == revision_of(draft) - 1
    assert again.status_code == 302
    assert parts("backend", version=draft).get().value("address") == "mine.example.com"


@pytest.mark.parametrize("revision", ["", "x", "9" * 5000])
def test_an_invalid_revision_saves_without_a_conflict_check(
    browser, eve, draft, revision
):
    client = browser(eve)
    page = edit_page(draft)

    answer = client.post(
        page, as_typed(client, page, address="new.example.com", revision=revision)
    )

    assert answer.status_code == 302


def test_the_key_is_never_shown_and_is_kept_if_none_is_typed(browser, eve, draft):
    set_values(parts("backend", version=draft), ssl_client_key="SECRET KEY")
    client = browser(eve)
    page = edit_page(draft)

    shown = client.get(page)
    client.post(page, as_typed(client, page, address="new.example.com"))

    row = parts("backend", version=draft).get()
    assert b"SECRET KEY" not in shown.content
    assert (row.value("address"), row.value("ssl_client_key")) == (
        "new.example.com",
        "SECRET KEY",
    )


def test_a_locked_version_is_not_changed_and_offers_a_clone(browser, eve, draft):
    client = browser(eve)
    page = edit_page(draft)
    typed = as_typed(client, page, address="new.example.com")
    client.post(reverse("lock_version", args=[draft.service_id, 1]))

    answer = client.post(page, typed)

    assert answer.status_code == 409
    assert "Clone version 1 to edit" in text_of(answer)
    assert (
        parts("backend", version=draft).get().value("address") == "origin.example.com"
    )


def test_a_member_without_the_permission_changes_nothing(browser, una, draft):
    client = browser(una)

    shown = client.get(edit_page(draft))
    sent = client.post(add_page(draft, "domain"), {"name": "www.example.com"})

    assert (shown.status_code, sent.status_code) == (200, 403)
    assert b'id="part"' not in shown.content


def test_a_finding_opens_the_section_of_its_field(browser, eve, draft):
    page = edit_page(draft)

    closed = browser(eve).get(page)
    opened = browser(eve).get(page, {"field": "max_conn"})

    assert '<details class="more">' in closed.content.decode()
    assert '<details class="more" open>' in opened.content.decode()


def test_a_part_is_removed(browser, eve, draft):
    BackendFactory.create(version=draft, name="far/away")
    page = reverse("remove_part", args=[draft.service_id, 1, "backend", "far/away"])

    answer = browser(eve).post(page, follow=True)

    assert "Backend far/away removed." in text_of(answer)
    assert parts("backend", version=draft).get().name == "origin"


@pytest.mark.parametrize("rest", ["preview/", "add/", "edit/x/", "remove/x/"])
def test_an_unknown_kind_is_not_found(browser, eve, draft, rest):
    page = f"/services/{draft.service_id}/versions/1/teapot/{rest}"

    assert browser(eve).post(page).status_code == 404


@pytest.mark.parametrize("action", ["edit", "remove"])
def test_an_unknown_part_is_not_found(browser, eve, draft, action):
    page = f"/services/{draft.service_id}/versions/1/backend/{action}/missing/"

    assert browser(eve).post(page).status_code == 404


def test_a_non_member_changes_nothing(browser, stan, draft):
    page = add_page(draft, "domain")

    assert browser(stan).post(page, {"name": "www.example.com"}).status_code == 404
