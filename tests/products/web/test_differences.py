"""How differences are shown: by part, in the editor's words, with the rest counted."""

import pytest
from django.urls import reverse

from accounts.audit.models import AuditEvent
from products.services.commands.parts import change_part
from products.services.comparison import compare
from products.web.differences import MAX_COMPARED_LINES, shown_differences
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    VclFactory,
    VersionFactory,
)
from tests.products.web.conftest import text_of


@pytest.fixture
def old(shop):
    """Return a version."""
    return VersionFactory.create(service=shop, number=1)


@pytest.fixture
def new(shop):
    """Return the version after it."""
    return VersionFactory.create(service=shop, number=2)


def shown(old, new):
    """Return the differences, each as its line and its fields."""
    found = shown_differences(compare(old, new))
    return {
        f"{part.verb} {part.kind.in_sentence} {part.name}": (
            part.summary,
            [(each.label, each.before, each.after) for each in part.fields],
        )
        for part in found.parts
    }


def test_an_added_part_is_summed_up(old, new):
    BackendFactory.create(
        version=new, name="b2", address="10.0.0.1", use_ssl=True, weight=50
    )

    assert shown(old, new) == {
        "Added backend b2": ("10.0.0.1:443, TLS", [("Weight", "", "50")])
    }


def test_a_removed_part_is_summed_up(old, new):
    DomainFactory.create(version=old, name="a.example.com")

    assert shown(old, new) == {"Removed domain a.example.com": ("", [])}


@pytest.mark.parametrize(
    ("field", "before", "after", "line"),
    [
        (
            "override_host",
            "a.example",
            "b.example",
            ("Override Host", "a.example", "b.example"),
        ),
        ("use_ssl", False, True, ("Enable TLS", "Off", "On")),
        (
            "connect_timeout",
            1000,
            2500,
            ("Connect timeout", "1,000 milliseconds", "2,500 milliseconds"),
        ),
        ("shield", None, "frankfurt-de", ("Shield", "", "Frankfurt (frankfurt-de)")),
        ("ssl_client_key", "one", "two", ("Client key", "set", "changed")),
        ("port", 80, 8081, ("Port", "80", "8081")),
    ],
)
def test_a_changed_field_has_the_label_and_the_words_of_the_editor(
    old, new, field, before, after, line
):
    BackendFactory.create(version=old, name="origin", **{field: before})
    BackendFactory.create(version=new, name="origin", **{field: after})

    assert shown(old, new) == {"Changed backend origin": ("", [line])}


def test_what_did_not_change_is_counted(old, new):
    for version in (old, new):
        DomainFactory.create(version=version, name="a.example.com")
    BackendFactory.create(version=new, name="origin")

    found = shown_differences(compare(old, new))

    assert (found.counts, found.unchanged) == ((("added", 1),), 1)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (20, "-line 7\n+another"),
        (MAX_COMPARED_LINES, f"{MAX_COMPARED_LINES:,} lines before"),
    ],
)
def test_a_long_text_is_shown_by_its_changed_lines(old, new, lines, expected):
    before = [f"line {number}" for number in range(lines)]
    after = ["another" if line == "line 7" else line for line in before]
    for version, text in ((old, before), (new, after)):
        VclFactory.create(version=version, name="main", content="\n".join(text))

    (part,) = shown_differences(compare(old, new)).parts

    assert expected in part.fields[0].lines
    assert "line 1\n" not in part.fields[0].lines


def test_an_entry_of_the_trail_has_the_words_of_the_editor(browser, sam, draft, now):
    change_part(
        sam,
        version=draft,
        kind="backend",
        name="origin",
        changes={"connect_timeout": 2500, "use_ssl": True, "port": 8443},
        now=now,
    )
    last = AuditEvent.objects.filter(account_id=draft.account_id).latest("sequence")

    page = text_of(browser(sam).get(reverse("activity_entry", args=[last.sequence])))

    assert "Enable TLS was Off → becomes On" in page
    assert "Connect timeout was 1,000 milliseconds → becomes 2,500 milliseconds" in page
