"""Adding, changing and removing the parts of a draft."""

from datetime import timedelta

import pytest

from accounts.audit.models import MAX_TARGET_ID_LENGTH
from products.services.commands.parts import (
    add_part,
    change_part,
    part_target,
    remove_part,
    set_single,
)
from products.services.kinds import KINDS
from products.services.kinds.fields import MAX_INTEGER
from products.services.models import Part, Version
from products.services.models.part import MAX_PART_NAME_LENGTH
from tests.factories import NOW
from tests.factories.services import (
    VersionFactory,
    parts,
    revision_of,
)
from tests.factories.trail import last_entry, noted

LATER = NOW + timedelta(hours=1)
EXAMPLES: dict[str, tuple[str, dict[str, object]]] = {
    "domain": ("shop.example.com", {"comment": "Main"}),
    "backend": ("origin", {"address": "origin.example.com", "port": 8443}),
    "header": (
        "tenant",
        {"action": "set", "type": "request", "dst": "http.X-Tenant", "src": '"a"'},
    ),
    "snippet": ("upgrade", {"type": "recv", "content": "return(upgrade);"}),
    "vcl": ("main", {"content": "sub vcl_recv { }", "main": True}),
    "logging/syslog": ("lines", {"address": "logs.example.com", "use_tls": True}),
    "condition": ("admin", {"type": "REQUEST", "statement": 'req.url ~ "^/admin"'}),
    "pool": ("pool", {"quorum": 50, "tls_client_key": "key"}),
}
EVENTS = {kind: kind.partition("/")[0] for kind in EXAMPLES}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_part_of_every_kind_is_added(kind, eve, shop, acme):
    draft = VersionFactory.create(service=shop)
    name, fields = EXAMPLES[kind]

    add_part(eve, version=draft, kind=kind, name=name, fields=fields, now=LATER)

    row = parts(kind, version=draft).get()
    assert (row.name, row.values) == (name, fields)
    assert (row.created_at, row.updated_at) == (LATER, LATER)
    assert (draft.revision, revision_of(draft)) == (0, 1)
    assert noted(acme.pk) == [f"{EVENTS[kind]}.created"]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_part_of_every_kind_is_removed(kind, eve, shop, acme):
    draft = VersionFactory.create(service=shop)
    name, fields = EXAMPLES[kind]
    add_part(eve, version=draft, kind=kind, name=name, fields=fields, now=NOW)

    remove_part(eve, version=draft, kind=kind, name=name, now=LATER)

    assert not parts(kind).exists()
    assert revision_of(draft) == 2
    assert noted(acme.pk) == [f"{EVENTS[kind]}.created", f"{EVENTS[kind]}.deleted"]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_part_of_every_kind_is_renamed(kind, eve, shop, acme):
    draft = VersionFactory.create(service=shop)
    name, fields = EXAMPLES[kind]
    add_part(eve, version=draft, kind=kind, name=name, fields=fields, now=NOW)

    renamed = f"new-{name}"
    change_part(
        eve, version=draft, kind=kind, name=name, changes={"name": renamed}, now=LATER
    )

    assert parts(kind, version=draft).get().name == renamed
    entry = last_entry(acme.pk)
    assert entry["action"] == f"{EVENTS[kind]}.updated"
    assert (entry["before"], entry["after"]) == ({"name": name}, {"name": renamed})


def test_what_is_added_is_noted_without_defaults(eve, version, acme):
    add_part(
        eve,
        version=version,
        kind="backend",
        name="second",
        fields={"address": "b.example.com", "port": "443", "weight": 100},
        now=NOW,
    )

    assert last_entry(acme.pk) == {
        "action": "backend.created",
        "target": {
            "type": "backend",
            "id": f"{version.service_id}/3/backend/second",
            "label": "second",
        },
        "service_id": version.service_id,
        "before": None,
        "after": {
            "name": "second",
            "address": "b.example.com",
            "port": 443,
            "use_ssl": True,
        },
        "outcome": "done",
    }


def test_a_change_notes_the_changed_fields_alone(eve, version, acme):
    row = change_part(
        eve,
        version=version,
        kind="backend",
        name="origin",
        changes={"address": "new.example.com", "override_host": "", "use_ssl": "1"},
        now=LATER,
    )

    found = (row.value("address"), row.value("port"), row.updated_at)
    assert found == ("new.example.com", 443, LATER)
    assert revision_of(version) == 1
    assert last_entry(acme.pk) == {
        "action": "backend.updated",
        "target": {
            "type": "backend",
            "id": f"{version.service_id}/3/backend/origin",
            "label": "origin",
        },
        "service_id": version.service_id,
        "before": {"address": "old.example.com"},
        "after": {"address": "new.example.com"},
        "outcome": "done",
    }


def test_a_change_without_a_name_keeps_the_name(eve, version):
    changes = {"name": None, "weight": 7}

    row = change_part(
        eve, version=version, kind="backend", name="origin", changes=changes, now=NOW
    )

    assert (row.name, row.value("weight")) == ("origin", 7)


def test_a_change_that_changes_nothing_notes_nothing(eve, version, acme):
    change_part(
        eve,
        version=version,
        kind="backend",
        name="origin",
        changes={"address": "old.example.com", "port": 443},
        now=LATER,
        expected_revision=99,
    )

    assert noted(acme.pk) == []
    assert revision_of(version) == 0


@pytest.mark.parametrize(
    ("changes", "use_ssl"),
    [
        pytest.param({"port": 80}, False, id="port 80 switches TLS off"),
        pytest.param({"port": 80, "use_ssl": True}, True, id="unless the request says"),
        pytest.param({"port": 8443}, True, id="another port leaves TLS alone"),
        pytest.param({"weight": 50}, True, id="no port leaves TLS alone"),
    ],
)
def test_a_port_switches_tls(changes, use_ssl, eve, version):
    row = change_part(
        eve, version=version, kind="backend", name="origin", changes=changes, now=NOW
    )

    assert row.value("use_ssl") is use_ssl


def test_domains_are_kept_and_found_in_lower_case(eve, version):
    add_part(
        eve,
        version=version,
        kind="domain",
        name="Shop.Example.COM",
        fields={},
        now=NOW,
    )
    change_part(
        eve,
        version=version,
        kind="domain",
        name="SHOP.example.com",
        changes={"comment": "found"},
        now=NOW,
    )

    found = [(row.name, row.value("comment")) for row in parts("domain")]
    assert found == [("shop.example.com", "found")]


def test_the_longest_id_of_a_part_fits_into_the_trail(shop):
    version = Version(service=shop, number=MAX_INTEGER)
    named = [segment for segment, kind in KINDS.items() if not kind.single]
    longest = max(named, key=len)
    part = Part(version=version, kind=longest, name="x" * MAX_PART_NAME_LENGTH)

    _, target_id, _ = part_target(part)

    assert len(target_id) <= MAX_TARGET_ID_LENGTH


def test_http3_is_switched_on_and_off(eve, version, acme):
    add_part(eve, version=version, kind="http3", name="", fields={}, now=NOW)
    remove_part(eve, version=version, kind="http3", name="", now=NOW)

    assert noted(acme.pk) == ["http3.created", "http3.deleted"]


def test_settings_are_stored_when_they_differ_from_the_defaults(eve, version, acme):
    kind = "image_optimizer_default_settings"
    given = {"version": version, "kind": kind, "now": NOW}

    set_single(eve, **given, changes={"webp": False, "webp_quality": 85})
    set_single(eve, **given, changes={"webp": True})
    set_single(eve, **given, changes={"webp": True, "webp_quality": 60})

    assert noted(acme.pk) == ["image_optimizer_settings.updated"] * 2
    assert last_entry(acme.pk)["before"] == {"webp_quality": 85}
    assert last_entry(acme.pk)["after"] == {"webp_quality": 60}
