"""Making, cloning, commenting and locking versions."""

from datetime import timedelta

import pytest

from accounts.errors import Forbidden, Invalid, NotFound
from products.services.commands.locking import ServiceGone
from products.services.commands.versions import (
    clone_version,
    comment_version,
    create_version,
    lock_version,
)
from products.services.comparison import compare
from products.services.models import Service, Version
from tests.factories import NOW
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    HeaderFactory,
    LogEndpointFactory,
    SnippetFactory,
    VclFactory,
    VersionFactory,
    live_version,
)
from tests.factories.trail import last_entry, noted

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def full(shop):
    """Return a locked version with parts of every kind."""
    version = VersionFactory.create(
        service=shop, number=4, locked=True, comment="Spring"
    )
    DomainFactory.create(version=version, name="shop.example.com")
    BackendFactory.create(version=version, name="zulu", shield="fra")
    BackendFactory.create(version=version, name="alpha", ssl_client_key="key")
    HeaderFactory.create(version=version)
    SnippetFactory.create(version=version)
    VclFactory.create(version=version)
    LogEndpointFactory.create(version=version, fields=["User-Agent"])
    return version


def test_a_clone_is_a_draft_with_all_parts_under_the_next_number(eve, full, acme):
    VersionFactory.create(service=full.service, number=7)

    clone = clone_version(eve, version=full, now=LATER)

    assert (clone.number, clone.state, clone.cloned_from) == (8, "draft", 4)
    assert (clone.comment, clone.author, clone.revision) == ("Spring", "Eve", 0)
    assert compare(full, clone).fields == ()
    assert [
        each.name for each in clone.parts.filter(kind="backend").order_by("pk")
    ] == ["zulu", "alpha"]
    assert clone.parts.get(name="alpha").value("ssl_client_key") == "key"
    assert full.parts.filter(kind="backend").count() == 2
    assert last_entry(acme.pk) == {
        "action": "version.cloned",
        "target": {
            "type": "version",
            "id": f"{full.service_id}/8",
            "label": "shop version 8",
        },
        "service_id": full.service_id,
        "before": None,
        "after": {"number": 8, "cloned_from": 4},
        "outcome": "done",
    }


def test_cloning_asks_a_fixed_number_of_queries(
    eve, full, django_assert_num_queries, django_assert_max_num_queries
):
    clone_version(eve, version=full, now=LATER)  # begins the account's chain
    with django_assert_max_num_queries(30) as few:
        clone_version(eve, version=full, now=LATER)
    BackendFactory.create_batch(20, version=full)
    DomainFactory.create_batch(20, version=full)

    with django_assert_num_queries(len(few)):
        clone_version(eve, version=full, now=LATER)


def test_two_people_who_clone_the_same_version_get_two_numbers(sam, eve, full):
    as_eve_read_it = Version.objects.select_related("service").get(pk=full.pk)

    first = clone_version(sam, version=full, now=NOW)
    second = clone_version(eve, version=as_eve_read_it, now=NOW)

    assert (first.number, second.number) == (5, 6)


def test_a_new_version_is_empty(eve, full, acme):
    version = create_version(eve, service=full.service, comment="Afresh", now=LATER)

    assert (version.number, version.state, version.comment) == (5, "draft", "Afresh")
    assert not version.parts.filter(kind="backend").exists()
    assert last_entry(acme.pk)["after"] == {"number": 5, "comment": "Afresh"}
    assert noted(acme.pk) == ["version.created"]


def test_a_version_whose_comment_is_too_long_is_not_made(eve, full, acme):
    with pytest.raises(Invalid):
        create_version(eve, service=full.service, comment="x" * 501, now=NOW)

    assert Version.objects.count() == 1
    assert noted(acme.pk) == []


def test_an_active_version_can_be_commented(eve, shop, acme):
    version = live_version(shop, "shop.example.com")

    changed = comment_version(eve, version=version, comment="Two\nlines", now=LATER)

    assert (changed.comment, changed.updated_at, changed.revision) == (
        "Two\nlines",
        LATER,
        0,
    )
    assert Version.objects.get(pk=version.pk).comment == "Two\nlines"
    assert last_entry(acme.pk) == {
        "action": "version.updated",
        "target": {"type": "version", "id": f"{shop.pk}/1", "label": "shop version 1"},
        "service_id": shop.pk,
        "before": {"comment": ""},
        "after": {"comment": "Two\nlines"},
        "outcome": "done",
    }


def test_the_same_comment_again_notes_nothing(eve, full, acme):
    comment_version(eve, version=full, comment="Spring", now=LATER)

    assert noted(acme.pk) == []


def test_a_bad_comment_changes_nothing(eve, full, acme):
    with pytest.raises(Invalid):
        comment_version(eve, version=full, comment="nul\0", now=LATER)

    assert Version.objects.get(pk=full.pk).comment == "Spring"
    assert noted(acme.pk) == []


def test_a_draft_is_locked(eve, shop, acme):
    version = VersionFactory.create(service=shop)

    locked = lock_version(eve, version=version, now=LATER)

    assert locked.state == "locked"
    assert Version.objects.get(pk=version.pk).locked
    assert last_entry(acme.pk) == {
        "action": "version.locked",
        "target": {"type": "version", "id": f"{shop.pk}/1", "label": "shop version 1"},
        "service_id": shop.pk,
        "before": {"locked": False},
        "after": {"locked": True},
        "outcome": "done",
    }


@pytest.mark.parametrize("live", [False, True])
def test_locking_what_is_locked_or_active_changes_nothing(live, eve, shop, acme):
    version = VersionFactory.create(service=shop, locked=True, active=live)

    same = lock_version(eve, version=version, now=LATER)

    assert (same.active, same.locked, same.updated_at) == (live, True, NOW)
    assert noted(acme.pk) == []


COMMANDS = [
    pytest.param(
        lambda actor, version: clone_version(actor, version=version, now=NOW),
        id="clone",
    ),
    pytest.param(
        lambda actor, version: create_version(actor, service=version.service, now=NOW),
        id="create",
    ),
    pytest.param(
        lambda actor, version: comment_version(
            actor, version=version, comment="x", now=NOW
        ),
        id="comment",
    ),
    pytest.param(
        lambda actor, version: lock_version(actor, version=version, now=NOW), id="lock"
    ),
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("persona", "refusal"),
    [("una", Forbidden), ("bo", Forbidden), ("stan", NotFound), ("ada", Forbidden)],
)
def test_who_may_not_configure_the_service_is_refused(
    command, persona, refusal, shop, acme, request
):
    version = VersionFactory.create(service=shop)

    with pytest.raises(refusal):
        command(request.getfixturevalue(persona), version)

    assert list(Version.objects.values_list("number", "comment", "locked")) == [
        (1, "", False)
    ]
    assert noted(acme.pk) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_done_to_versions_of_a_deleted_service(command, eve, shop, acme):
    version = VersionFactory.create(service=shop)
    Service.objects.filter(pk=shop.pk).update(deleted_at=NOW)

    with pytest.raises(ServiceGone):
        command(eve, version)

    assert list(Version.objects.values_list("number", "comment", "locked")) == [
        (1, "", False)
    ]
    assert noted(acme.pk) == []
