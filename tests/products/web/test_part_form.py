"""The forms of a draft's parts: every kind, every error at its field, and concurrent edits."""

import pytest
from django.urls import reverse

from products.protocol import header_value
from products.services.kinds import KINDS
from tests.factories.services import (
    BackendFactory,
    VclFactory,
    parts,
    revision_of,
    set_values,
)
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
    "healthcheck": {"name": "ping", "headers": "Accept: a"},
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
# Kinds whose parts need more than a name.
NEEDED = {
    "domain": {"name": "www.example.com"},
    "logging/syslog": {"address": "logs.example.com"},
    "settings": {"general.default_ttl": "60"},
    "image_optimizer_default_settings": {"webp": "on"},
}
KIND = pytest.mark.parametrize("kind", list(GOOD))
EVERY_KIND = pytest.mark.parametrize("kind", list(KINDS))


def add_page(version, kind):
    return reverse("add_part", args=[version.service_id, version.number, kind])


def test_labels_and_choices_are_named_plainly(browser, eve, draft):
    backend = text_of(browser(eve).get(add_page(draft, "backend")))
    header = text_of(browser(eve).get(add_page(draft, "header")))

    assert all(
        label in backend for label in ("Prefer IPv6", "SNI hostname", "Health check")
    )
    assert "Not set On Off" in backend
    assert "Choose…" in header
    assert "---" not in backend + header


def test_every_kind_has_a_form_with_written_labels_and_no_empty_choice(
    browser, eve, draft
):
    client = browser(eve)

    pages = {kind: text_of(client.get(add_page(draft, kind))) for kind in KINDS}

    labels = [(kind, each.label) for kind in KINDS for each in KINDS[kind].settable]
    assert [(kind, label) for kind, label in labels if label not in pages[kind]] == []
    assert [kind for kind, page in pages.items() if "---" in page] == []
    assert [
        kind
        for kind, page in pages.items()
        if KINDS[kind].has_name and "Name" not in page and "Domain name" not in page
    ] == []


@EVERY_KIND
def test_a_part_of_every_kind_is_added_and_saved_again_unchanged(
    browser, eve, draft, kind
):
    client = browser(eve)
    typed = {"name": "one"} | GOOD.get(kind, {}) | NEEDED.get(kind, {})

    added = client.post(add_page(draft, kind), typed)
    row = parts(kind, version=draft).latest("position")
    before = row.values
    page = edit_page(draft, kind, row.key or "only")
    saved = client.post(page, as_typed(client, page))

    row.refresh_from_db()
    assert (added.status_code, saved.status_code) == (303, 303)
    assert row.values == before


@KIND
def test_a_part_is_added(browser, eve, draft, kind):
    typed = GOOD[kind]

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

    answer = browser(eve).post(add_page(draft, kind), wrong)

    content = answer.content.decode()
    assert answer.status_code == 400
    assert "Nothing was saved" in content
    assert set(answer.context["form"].errors) == set(fields)
    assert all(f'href="#id_{field}"' in content for field in fields)
    assert parts(kind).count() == before


def test_errors_of_form_and_validation_are_shown_together(browser, eve, draft):
    typed = {
        "name": "two",
        "address": "not a host",
        "port": "many",
    }

    answer = browser(eve).post(add_page(draft, "backend"), typed)

    assert set(answer.context["form"].errors) == {"address", "port"}
    assert b'value="not a host"' in answer.content
    assert b'value="many"' in answer.content


def test_a_name_that_is_taken_is_refused(browser, eve, draft):
    typed = GOOD["backend"] | {"name": "origin"}

    answer = browser(eve).post(add_page(draft, "backend"), typed)

    assert answer.status_code == 409
    assert answer.context["form"].errors["name"] == [
        "This version already has a backend origin."
    ]


def test_a_part_is_changed_and_renamed(browser, eve, draft):
    client = browser(eve)
    page = edit_page(draft)

    answer = client.post(
        page, as_typed(client, page, name="first", address="new.example.com")
    )

    row = parts("backend", version=draft).get()
    assert answer.status_code == 303
    assert (row.name, row.value("address")) == ("first", "new.example.com")


def two_edits(browser, eve, sam, draft, mine, other):
    """Return a function that sends Eve's form again, and the answer after Sam saved first."""
    hers, his = browser(eve), browser(sam)
    page = edit_page(draft)
    typed = as_typed(hers, page, **mine)
    his.post(page, as_typed(his, page, **other))

    answer = hers.post(page, typed)

    def again(**chosen):
        fields = answer.context["form"].data.dict()
        return hers.post(page, fields | {"base": answer.context["base"]} | chosen)

    return answer, again


ADDRESSES = ({"address": "mine.example.com"}, {"address": "other.example.com"})


@pytest.mark.parametrize(
    ("chosen", "saved"),
    [("mine", "mine.example.com"), ("saved", "other.example.com")],
)
def test_a_field_that_two_users_changed_shows_both_values_to_choose_from(
    browser, eve, sam, draft, chosen, saved
):
    refused, again = two_edits(browser, eve, sam, draft, *ADDRESSES)
    before = parts("backend", version=draft).get().value("address")
    answer = again(use_address=chosen)

    words = text_of(refused)
    assert refused.status_code == 409
    assert "Address Keep my change: mine.example.com" in words
    assert "Use their change: other.example.com" in words
    assert before == "other.example.com"
    assert answer.status_code == 303
    assert parts("backend", version=draft).get().value("address") == saved


def test_what_another_user_changed_elsewhere_is_kept_and_is_no_conflict(
    browser, eve, sam, draft
):
    saved, _again = two_edits(
        browser, eve, sam, draft, {"address": "new.example.com"}, {"weight": "7"}
    )

    row = parts("backend", version=draft).get()
    assert saved.status_code == 303
    assert (row.value("address"), row.value("weight")) == ("new.example.com", 7)


def test_after_a_conflict_the_form_has_the_other_fields_as_they_are_saved(
    browser, eve, sam, draft
):
    mine, other = ADDRESSES
    refused, again = two_edits(
        browser, eve, sam, draft, mine, other | {"weight": "7", "shield": "osaka-jp"}
    )
    again()

    row = parts("backend", version=draft).get()
    assert refused.context["form"]["weight"].value() == "7"
    assert (row.value("weight"), row.value("shield")) == (7, "osaka-jp")


def test_a_change_of_another_part_is_no_conflict(browser, eve, sam, draft):
    hers = browser(eve)
    page = edit_page(draft)
    typed = as_typed(hers, page, address="new.example.com")
    browser(sam).post(add_page(draft, "domain"), {"name": "www.example.com"})

    assert hers.post(page, typed).status_code == 303


@pytest.mark.parametrize("base", ["", "x", "[]", "[" * 5000])
def test_a_form_without_its_first_values_is_compared_with_what_is_saved(
    browser, eve, draft, base
):
    client = browser(eve)
    page = edit_page(draft)

    answer = client.post(
        page, as_typed(client, page, address="new.example.com", base=base)
    )

    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("https://up.example.com:8443/", ("up.example.com", 8443, True)),
        ("wss://up.example.com", ("up.example.com", 443, True)),
        ("http://192.0.2.1:81", ("192.0.2.1", 81, False)),
        ("https://[2001:db8::1]/", ("2001:db8::1", 443, True)),
        ("up.example.com:8443", ("up.example.com", 8443, False)),
        ("2001:db8::1", ("2001:db8::1", 80, False)),
    ],
)
def test_a_pasted_url_is_taken_apart(browser, eve, draft, typed, stored):
    fields = {"name": "two", "address": typed, "port": "80"}

    browser(eve).post(add_page(draft, "backend"), fields)

    row = parts("backend", version=draft).get(name="two")
    assert tuple(row.value(name) for name in ("address", "port", "use_ssl")) == stored


@pytest.mark.parametrize(
    "typed", ["https://up.example.com/path", "https://a@up.example.com", "a:b:c"]
)
def test_a_url_that_is_more_than_an_origin_is_refused_at_its_field(
    browser, eve, draft, typed
):
    fields = {"name": "two", "address": typed, "port": "80"}

    answer = browser(eve).post(add_page(draft, "backend"), fields)

    assert set(answer.context["form"].errors) == {"address"}


@pytest.mark.parametrize(("port", "ticked"), [("443", {}), ("80", {"use_ssl": "on"})])
def test_the_port_does_not_switch_tls_and_the_findings_say_that_it_is_unusual(
    browser, eve, draft, port, ticked
):
    client = browser(eve)
    fields = {"name": "two", "address": "up.example.com", "port": port} | ticked

    shown = client.post(add_page(draft, "backend"), fields, follow=True)

    row = parts("backend", version=draft).get(name="two")
    assert row.value("use_ssl") is bool(ticked)
    assert "Backend two: " in text_of(shown)
    assert f"port {port} is usual" in text_of(shown).replace("Port", "port")


@pytest.mark.parametrize("value", ["plain", '"quoted"', '{"long"}', 'say "hi"'])
def test_a_header_value_is_sent_as_typed_and_shown_so_again(browser, eve, draft, value):
    client = browser(eve)
    client.post(add_page(draft, "header"), GOOD["header"] | {"src": value})

    row = parts("header", version=draft).get()
    shown = client.get(edit_page(draft, "header", "who"))

    assert header_value(row.value("src")) == value
    assert shown.context["form"]["src"].value() == value


def test_a_list_is_typed_one_per_line(browser, eve, draft):
    fields = {"name": "ping", "headers": "Accept: a, b\r\n\r\nX-One: 1\r\n"}

    browser(eve).post(add_page(draft, "healthcheck"), fields)

    row = parts("healthcheck", version=draft).get()
    assert row.value("headers") == ["Accept: a, b", "X-One: 1"]


def test_a_shield_is_chosen_from_a_list_that_has_the_stored_one(browser, eve, draft):
    set_values(parts("backend", version=draft), shield="mars-ma")

    shown = browser(eve).get(edit_page(draft)).context["form"]["shield"]

    choices = list(shown.field.widget.choices)
    assert choices[0] == ("", "No shield")
    assert choices[-1] == ("mars-ma", "mars-ma")


def test_names_of_other_parts_are_chosen_from_those_in_the_version(browser, eve, draft):
    client = browser(eve)
    client.post(add_page(draft, "healthcheck"), {"name": "ping"})
    client.post(add_page(draft, "director"), {"name": "all", "backends": ["origin"]})

    shown = client.get(edit_page(draft)).context["form"]["healthcheck"]

    assert list(shown.field.widget.choices) == [
        ("", "No health check"),
        ("ping", "ping"),
    ]
    assert parts("director", version=draft).get().value("backends") == ["origin"]


def test_a_line_break_of_a_form_is_no_change(browser, eve, draft):
    VclFactory.create(version=draft, name="main", content="one\ntwo")
    client = browser(eve)
    page = edit_page(draft, "vcl", "main")
    before = revision_of(draft)

    client.post(page, as_typed(client, page, content="one\r\ntwo"))

    assert revision_of(draft) == before


def test_eight_settings_of_a_backend_are_shown_and_the_others_are_in_groups(
    browser, eve, draft
):
    context = browser(eve).get(edit_page(draft)).context

    assert len(context["main"]) == 8
    assert [title for title, _ in context["groups"]] == [
        "Health and load balancing",
        "Limits",
        "Timeouts",
        "TLS",
        "TCP keep-alive",
    ]


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
    typed = as_typed(
        client, page, address="new.example.com", ssl_client_key="SECRET KEY"
    )
    client.post(reverse("lock_version", args=[draft.service_id, 1]))

    answer = client.post(page, typed)

    assert answer.status_code == 409
    assert text_of(answer).count("is locked") == 1
    assert "Clone version 1 to edit" in text_of(answer)
    assert "What you typed" in text_of(answer)
    assert 'data-copy="new.example.com"' in answer.content.decode()
    assert 'data-copy="origin"' not in answer.content.decode()
    assert "A secret: not shown." in text_of(answer)
    assert "SECRET KEY" not in answer.content.decode()
    assert (
        parts("backend", version=draft).get().value("address") == "origin.example.com"
    )


def clone_with(client, page, refused):
    """Press the button below what was typed for a locked version."""
    carried: dict[str, list[str]] = {}
    for name, value in refused.context["carried"]:
        carried.setdefault(name, []).append(value)
    return client.post(page, carried | {"clone": "1"}, follow=True)


def test_what_was_typed_for_a_locked_version_is_saved_in_a_clone(browser, eve, draft):
    client = browser(eve)
    page = edit_page(draft)
    typed = as_typed(client, page, address="new.example.com")
    client.post(reverse("lock_version", args=[draft.service_id, 1]))

    answer = clone_with(client, page, client.post(page, typed))

    assert "Created draft version 2 from version 1." in text_of(answer)
    assert "Backend saved" in text_of(answer) or "Backend origin saved" in text_of(
        answer
    )
    clone = draft.service.versions.get(number=2)
    assert parts("backend", version=clone).get().value("address") == "new.example.com"
    assert (
        parts("backend", version=draft).get().value("address") == "origin.example.com"
    )


def test_a_secret_is_not_carried_to_a_clone_and_has_to_be_typed_again(
    browser, eve, draft
):
    client = browser(eve)
    page = edit_page(draft)
    typed = as_typed(
        client, page, address="new.example.com", ssl_client_key="SECRET KEY"
    )
    client.post(reverse("lock_version", args=[draft.service_id, 1]))
    refused = client.post(page, typed)

    answer = clone_with(client, page, refused)

    assert "SECRET KEY" not in refused.content.decode()
    assert answer.request["PATH_INFO"] == page.replace("/1/", "/2/")
    assert set(answer.context["form"].errors) == {"ssl_client_key"}
    assert answer.context["form"]["address"].value() == "new.example.com"
    clone = draft.service.versions.get(number=2)
    assert (
        parts("backend", version=clone).get().value("address") == "origin.example.com"
    )


def test_a_new_part_typed_for_a_locked_version_is_added_to_a_clone(browser, eve, draft):
    client = browser(eve)
    page = reverse("add_part", args=[draft.service_id, 1, "domain"])
    typed = as_typed(client, page, name="added.example.com")
    client.post(reverse("lock_version", args=[draft.service_id, 1]))

    clone_with(client, page, client.post(page, typed))

    clone = draft.service.versions.get(number=2)
    assert parts("domain", version=clone).filter(name="added.example.com").exists()
    assert not parts("domain", version=draft).filter(name="added.example.com").exists()


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

    assert "Backend far/away removed. You can restore it below." in text_of(answer)
    assert parts("backend", version=draft).get().name == "origin"


def test_a_removed_part_is_restored_with_its_secret_at_its_place(browser, eve, draft):
    first = parts("backend", version=draft).get()
    set_values(parts("backend", version=draft), ssl_client_key="SECRET KEY")
    BackendFactory.create(version=draft, name="second")
    client = browser(eve)
    client.post(reverse("remove_part", args=[draft.service_id, 1, "backend", "origin"]))
    page = reverse("restore_part", args=[draft.service_id, 1])

    shown = client.get(reverse("version", args=[draft.service_id, 1]))
    answer = client.post(page, {"part": first.public_id}, follow=True)

    rows = list(parts("backend", version=draft).order_by("position"))
    assert "Removed from this draft Backend origin" in text_of(shown)
    assert b"SECRET KEY" not in shown.content
    assert "Backend origin restored." in text_of(answer)
    assert [row.name for row in rows] == ["origin", "second"]
    assert rows[0].value("ssl_client_key") == "SECRET KEY"
    assert client.post(page, {"part": first.public_id}).status_code == 404


def test_a_part_is_not_restored_if_its_name_is_taken(browser, eve, draft):
    first = parts("backend", version=draft).get()
    client = browser(eve)
    client.post(reverse("remove_part", args=[draft.service_id, 1, "backend", "origin"]))
    BackendFactory.create(version=draft, name="origin")

    answer = client.post(
        reverse("restore_part", args=[draft.service_id, 1]),
        {"part": first.public_id},
        follow=True,
    )

    assert "Duplicate backend" in text_of(answer)
    assert parts("backend", version=draft).count() == 1


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


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("header", ["src", "substitution"]),
        ("backend", ["ssl_client_key"]),
        ("logging/logshuttle", ["url", "token"]),
        ("condition", []),
    ],
)
def test_the_browser_keeps_no_field_that_can_be_a_credential_while_signing_in_again(
    browser, eve, draft, kind, names
):
    page = reverse("add_part", args=[draft.service_id, draft.number, kind])

    form = browser(eve).get(page).context["form"]

    found = [
        name
        for name, each in form.fields.items()
        if "data-not-kept" in each.widget.attrs
    ]
    assert sorted(found) == sorted(names)
