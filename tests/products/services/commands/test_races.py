"""Several people at the very same moment, with real threads and committed transactions."""

from functools import partial

import pytest

from products.services.commands.locking import ServiceGone, VersionLocked
from products.services.commands.parts import StaleRevision, add_part, change_part
from products.services.commands.services import create_service, delete_service
from products.services.commands.versions import clone_version, lock_version
from products.services.models import Part, Service, Version
from tests.concurrency import together
from tests.factories import NOW
from tests.factories.services import parts, revision_of
from tests.factories.trail import noted

pytestmark = pytest.mark.django_db(transaction=True)


def kinds(outcomes):
    """Return the names of the outcomes' types, sorted."""
    return sorted(type(outcome).__name__ for outcome in outcomes)


def test_concurrent_clones_get_different_numbers(sam, eve, version, acme):
    outcomes = together(
        *[
            partial(clone_version, actor, version=version, now=NOW)
            for actor in [sam, eve] * 4
        ]
    )

    assert kinds(outcomes) == ["Version"] * 8
    numbers = Version.objects.values_list("number", flat=True).order_by("number")
    assert list(numbers) == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert parts("backend").count() == 9
    assert noted(acme.pk) == ["version.cloned"] * 8


def test_of_concurrent_parts_of_one_name_one_is_saved(sam, eve, version, acme):
    outcomes = together(
        *[
            partial(
                add_part,
                actor,
                version=version,
                kind="domain",
                name="a.example.com",
                fields={},
                now=NOW,
            )
            for actor in [sam, eve] * 3
        ]
    )

    assert kinds(outcomes) == ["Duplicate"] * 5 + ["Part"]
    assert parts("domain").count() == 1
    assert revision_of(version) == 1
    assert noted(acme.pk) == ["domain.created"]


def test_of_concurrent_services_of_one_name_one_is_saved(sam, eve, acme):
    outcomes = together(
        *[
            partial(create_service, actor, account=acme, name="chat", now=NOW)
            for actor in [sam, eve] * 2
        ]
    )

    assert kinds(outcomes) == ["Duplicate"] * 3 + ["Service"]
    assert Service.objects.count() == 1
    assert Version.objects.count() == 1
    assert noted(acme.pk) == ["service.created"]


def test_nothing_gets_into_a_version_that_is_being_locked(sam, eve, version, acme):
    locked, *added = together(
        partial(lock_version, sam, version=version, now=NOW),
        *[
            partial(
                add_part,
                eve,
                version=version,
                kind="domain",
                name=f"{number}.example.com",
                fields={},
                now=NOW,
            )
            for number in range(5)
        ],
    )

    assert isinstance(locked, Version)
    assert {type(each) for each in added} <= {Part, VersionLocked}
    kept = sum(isinstance(each, Part) for each in added)
    assert parts("domain").count() == kept
    # Whatever was taken was taken before the lock.
    assert noted(acme.pk) == ["domain.created"] * kept + ["version.locked"]


def test_of_concurrent_edits_of_one_revision_one_is_saved(sam, eve, version, acme):
    outcomes = together(
        *[
            partial(
                change_part,
                actor,
                version=version,
                kind="backend",
                name="origin",
                changes={"address": f"{actor.label.lower()}.example.com"},
                expected_revision=0,
                now=NOW,
            )
            for actor in (sam, eve)
        ]
    )

    assert kinds(outcomes) == ["Part", "StaleRevision"]
    (saved,) = [each for each in outcomes if isinstance(each, Part)]
    (refused,) = [each for each in outcomes if isinstance(each, StaleRevision)]
    assert parts("backend").get().value("address") == saved.value("address")
    assert refused.current == {"address": saved.value("address")}
    assert noted(acme.pk) == ["backend.updated"]


def test_a_service_deleted_concurrently_is_deleted_once(sam, eve, shop, acme):
    outcomes = together(
        *[partial(delete_service, actor, service=shop, now=NOW) for actor in (sam, eve)]
    )

    assert {type(each) for each in outcomes} == {type(None), ServiceGone}
    assert noted(acme.pk) == ["service.deleted"]
