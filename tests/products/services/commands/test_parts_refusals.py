"""What a draft does not take, and that nothing changes then."""

import pytest

from accounts.errors import Invalid, NotFound
from products.services.commands.locking import Duplicate
from products.services.commands.parts import add_part, change_part, remove_part
from products.services.validation import InvalidFields
from tests.factories import NOW
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    VersionFactory,
    parts,
    revision_of,
)
from tests.factories.trail import noted

REFUSALS = [
    pytest.param(
        "backend", "origin", {"address": "b.example.com"}, Duplicate, id="taken"
    ),
    pytest.param("backend", "new", {}, InvalidFields, id="lacks its address"),
    pytest.param(
        "backend", "new", {"address": "b", "port": 65536}, InvalidFields, id="port"
    ),
    pytest.param("domain", "not a host", {}, InvalidFields, id="no host name"),
    pytest.param("teapot", "new", {}, NotFound, id="no such kind"),
]


@pytest.mark.parametrize(("kind", "name", "fields", "refusal"), REFUSALS)
def test_a_part_that_cannot_be_taken_changes_nothing(
    kind, name, fields, refusal, eve, version, acme
):
    with pytest.raises(refusal):
        add_part(eve, version=version, kind=kind, name=name, fields=fields, now=NOW)

    assert list(parts("backend").values_list("name", flat=True)) == ["origin"]
    assert not parts("domain").exists()
    assert revision_of(version) == 0
    assert noted(acme.pk) == []


def test_a_name_taken_is_said_as_fastly_says_it(eve, version):
    with pytest.raises(Duplicate) as refusal:
        add_part(
            eve,
            version=version,
            kind="backend",
            name="origin",
            fields={"address": "b.example.com"},
            now=NOW,
        )

    assert refusal.value.message == "Duplicate backend: 'origin'"


def test_a_part_is_not_renamed_to_a_name_in_use(eve, version, acme):
    BackendFactory.create(version=version, name="second")

    with pytest.raises(Duplicate):
        change_part(
            eve,
            version=version,
            kind="backend",
            name="second",
            changes={"name": "origin"},
            now=NOW,
        )

    assert sorted(parts("backend").values_list("name", flat=True)) == [
        "origin",
        "second",
    ]
    assert noted(acme.pk) == []


def test_a_change_is_checked_together_with_what_it_leaves_alone(eve, version, acme):
    add_part(
        eve,
        version=version,
        kind="header",
        name="rule",
        fields={"action": "set", "type": "response", "dst": "http.Host", "src": "x"},
        now=NOW,
    )

    with pytest.raises(InvalidFields) as refusal:
        change_part(
            eve,
            version=version,
            kind="header",
            name="rule",
            changes={"type": "request"},
            now=NOW,
        )

    assert refusal.value.problems == {
        "dst": "Host is a protected header and can't be changed by a rule."
    }
    assert parts("header").get().value("type") == "response"
    assert noted(acme.pk) == ["header.created"]


def test_a_part_that_is_not_there_is_neither_changed_nor_removed(eve, version, acme):
    with pytest.raises(NotFound) as refusal:
        change_part(
            eve,
            version=version,
            kind="backend",
            name="no",
            changes={"port": 1},
            now=NOW,
        )
    with pytest.raises(NotFound):
        remove_part(eve, version=version, kind="backend", name="no", now=NOW)

    assert refusal.value.message == "Version 3 has no backend “no”."
    assert revision_of(version) == 0
    assert noted(acme.pk) == []


def test_a_domain_in_use_by_another_version_may_be_drafted(eve, version):
    other = VersionFactory.create(service=version.service, number=4)
    DomainFactory.create(version=other, name="a.example.com")

    add_part(
        eve, version=version, kind="domain", name="a.example.com", fields={}, now=NOW
    )

    assert parts("domain", name="a.example.com").count() == 2


def test_a_refused_change_lists_all_problems(eve, version):
    with pytest.raises(Invalid) as refusal:
        change_part(
            eve,
            version=version,
            kind="backend",
            name="origin",
            changes={"port": -1, "address": "", "colour": "red"},
            now=NOW,
        )

    assert refusal.value.details == (
        "address: This field is required.",
        "port: Enter a whole number from 0 to 65535.",
        "colour: Unknown field.",
    )
    assert refusal.value.field == "address"
