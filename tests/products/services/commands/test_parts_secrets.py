"""Keys are saved, but shown neither in the trail nor in a refusal."""

import pytest

from products.services.commands.parts import (
    StaleRevision,
    add_part,
    change_part,
    remove_part,
)
from tests.factories import NOW
from tests.factories.services import parts, set_values
from tests.factories.trail import last_entry


@pytest.mark.parametrize("old", [None, "-----BEGIN OLD-----"])
def test_the_trail_never_has_a_key(old, eve, version, acme):
    set_values(parts("backend", version=version), ssl_client_key=old)

    change_part(
        eve,
        version=version,
        kind="backend",
        name="origin",
        changes={"ssl_client_key": "-----BEGIN NEW-----"},
        now=NOW,
    )

    assert parts("backend").get().value("ssl_client_key") == "-----BEGIN NEW-----"
    entry = last_entry(acme.pk)
    assert entry["before"] == {"ssl_client_key": "set" if old else None}
    assert entry["after"] == {"ssl_client_key": "changed" if old else "set"}


def test_removing_a_key_is_noted_without_it(eve, version, acme):
    set_values(parts("backend", version=version), ssl_client_key="secret")

    change_part(
        eve,
        version=version,
        kind="backend",
        name="origin",
        changes={"ssl_client_key": ""},
        now=NOW,
    )

    assert parts("backend").get().value("ssl_client_key") is None
    assert last_entry(acme.pk)["before"] == {"ssl_client_key": "set"}
    assert last_entry(acme.pk)["after"] == {"ssl_client_key": None}


def test_a_backend_with_a_key_is_added_and_removed_without_telling_it(
    eve, version, acme
):
    add_part(
        eve,
        version=version,
        kind="backend",
        name="second",
        fields={"address": "b.example.com", "ssl_client_key": "secret"},
        now=NOW,
    )
    added = last_entry(acme.pk)["after"]
    remove_part(eve, version=version, kind="backend", name="second", now=NOW)

    shown = {"name": "second", "address": "b.example.com", "ssl_client_key": "set"}
    assert added == shown
    assert last_entry(acme.pk)["before"] == shown


def test_a_conflict_over_a_key_does_not_show_it(eve, version):
    set_values(parts("backend"), ssl_client_key="other")

    with pytest.raises(StaleRevision) as refusal:
        change_part(
            eve,
            version=version,
            kind="backend",
            name="origin",
            changes={"ssl_client_key": "mine"},
            now=NOW,
            expected_revision=7,
        )

    assert refusal.value.current == {"ssl_client_key": "set"}
    assert refusal.value.wanted == {"ssl_client_key": "changed"}
