"""Refused edits of a draft, and concurrent ones."""

import pytest

from accounts.errors import Forbidden, NotFound
from products.services.commands.locking import Duplicate, VersionLocked
from products.services.commands.parts import (
    StaleRevision,
    add_part,
    change_part,
    remove_part,
)
from products.services.commands.versions import lock_version
from products.services.models import Version
from tests.factories import NOW
from tests.factories.services import (
    parts,
    revision_of,
)
from tests.factories.trail import noted

COMMANDS = [
    pytest.param(
        lambda actor, version: add_part(
            actor,
            version=version,
            kind="domain",
            name="a.example.com",
            fields={},
            now=NOW,
        ),
        id="add",
    ),
    pytest.param(
        lambda actor, version: change_part(
            actor,
            version=version,
            kind="backend",
            name="origin",
            changes={"port": 1},
            now=NOW,
        ),
        id="change",
    ),
    pytest.param(
        lambda actor, version: remove_part(
            actor, version=version, kind="backend", name="origin", now=NOW
        ),
        id="remove",
    ),
]


def untouched(version):
    """Tell whether a version holds what the fixture put into it."""
    return (
        [(row.name, row.value("port")) for row in parts("backend")] == [("origin", 443)]
        and not parts("domain").exists()
        and revision_of(version) == 0
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("live", [False, True], ids=["locked", "active"])
def test_a_locked_or_active_version_is_not_changed(command, live, eve, version, acme):
    Version.objects.filter(pk=version.pk).update(locked=True, active=live)

    with pytest.raises(VersionLocked) as refusal:
        command(eve, version)

    assert refusal.value.message == "Version 3 is locked."
    assert refusal.value.code == "version_locked"
    assert untouched(version)
    assert noted(acme.pk) == []


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("persona", "refusal"),
    [("una", Forbidden), ("bo", Forbidden), ("stan", NotFound), ("ada", Forbidden)],
)
def test_who_may_not_configure_the_service_is_refused(
    command, persona, refusal, version, acme, request
):
    with pytest.raises(refusal):
        command(request.getfixturevalue(persona), version)

    assert untouched(version)
    assert noted(acme.pk) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_limited_engineer_changes_their_own_service(command, lin, version, acme):
    command(lin, version)

    assert not untouched(version)
    assert len(noted(acme.pk)) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_version_locked_after_the_editor_opened_is_not_changed(
    command, sam, eve, version, acme
):
    as_eve_read_it = Version.objects.select_related("service").get(pk=version.pk)
    lock_version(sam, version=version, now=NOW)

    with pytest.raises(VersionLocked):
        command(eve, as_eve_read_it)

    assert untouched(version)
    assert noted(acme.pk) == ["version.locked"]


def test_the_second_of_two_concurrent_edits_gets_both_values(sam, eve, version, acme):
    shown = revision_of(version)
    change_part(
        sam,
        version=version,
        kind="backend",
        name="origin",
        changes={"address": "sam.example.com"},
        now=NOW,
        expected_revision=shown,
    )

    with pytest.raises(StaleRevision) as refusal:
        change_part(
            eve,
            version=version,
            kind="backend",
            name="origin",
            changes={"address": "eve.example.com", "weight": 100},
            now=NOW,
            expected_revision=shown,
        )

    assert refusal.value.details == (
        "address: yours is 'eve.example.com', saved is 'sam.example.com'.",
    )
    assert refusal.value.wanted == {"address": "eve.example.com"}
    assert refusal.value.current == {"address": "sam.example.com"}
    assert refusal.value.revision == 1
    assert parts("backend").get().value("address") == "sam.example.com"
    assert noted(acme.pk) == ["backend.updated"]


def test_two_people_add_the_same_name_and_one_wins(sam, eve, version, acme):
    as_eve_read_it = Version.objects.select_related("service").get(pk=version.pk)
    add_part(
        sam, version=version, kind="domain", name="a.example.com", fields={}, now=NOW
    )

    with pytest.raises(Duplicate):
        add_part(
            eve,
            version=as_eve_read_it,
            kind="domain",
            name="A.example.com",
            fields={},
            now=NOW,
        )

    assert parts("domain").count() == 1
    assert noted(acme.pk) == ["domain.created"]


def test_a_non_member_gets_404_for_invalid_input(stan, version):
    with pytest.raises(NotFound):
        add_part(
            stan, version=version, kind="domain", name="no host", fields={}, now=NOW
        )


def test_a_member_without_the_permission_is_refused_before_validation(una, version):
    with pytest.raises(Forbidden):
        add_part(
            una, version=version, kind="domain", name="no host", fields={}, now=NOW
        )
