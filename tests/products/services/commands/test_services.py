"""Making, renaming and deleting services."""

import pytest

from accounts.errors import Forbidden, Invalid, NotFound
from accounts.roles import AccessLevel, Role
from accounts.service_access import levels_of
from products.services.commands.locking import Duplicate, ServiceGone
from products.services.commands.services import (
    ServiceActive,
    create_service,
    delete_service,
    update_service,
)
from products.services.models import Service, Version
from products.services.queries import services_of
from tests.factories import NOW
from tests.factories.accounts import actor_for, member
from tests.factories.services import ServiceFactory, VersionFactory, live_version
from tests.factories.trail import last_entry, noted


def test_an_engineer_creates_a_service_with_an_empty_draft(eve, acme):
    service = create_service(
        eve, account=acme, name="  chat ", comment="For chats", now=NOW
    )

    assert (service.name, service.comment, service.type) == ("chat", "For chats", "vcl")
    versions = Version.objects.filter(service=service)
    assert [(each.number, each.state, each.author) for each in versions] == [
        (1, "draft", "Eve")
    ]
    assert last_entry(acme.pk) == {
        "action": "service.created",
        "target": {"type": "service", "id": service.pk, "label": "chat"},
        "service_id": service.pk,
        "before": None,
        "after": {"name": "chat", "type": "vcl", "comment": "For chats"},
        "outcome": "done",
    }


def test_a_limited_engineer_gets_full_access_on_the_service_they_create(
    lin, shop, acme
):
    service = create_service(lin, account=acme, name="chat", now=NOW)

    assert levels_of(lin.user_id) == {
        shop.pk: AccessLevel.FULL,
        service.pk: AccessLevel.FULL,
    }
    assert [each.name for each in services_of(lin)] == ["chat", "shop"]
    assert noted(acme.pk) == ["service.created", "service_access.granted"]
    assert last_entry(acme.pk)["after"] == {"service": "chat", "level": "full"}


def test_an_unlimited_engineer_is_granted_nothing_on_the_service_they_create(eve, acme):
    create_service(eve, account=acme, name="chat", now=NOW)

    assert levels_of(eve.user_id) == {}
    assert noted(acme.pk) == ["service.created"]


@pytest.mark.parametrize("persona", ["bo", "una"])
def test_who_may_not_create_services_is_refused(persona, acme, request):
    actor = request.getfixturevalue(persona)

    with pytest.raises(Forbidden, match="Engineers and superusers can create services"):
        create_service(actor, account=acme, name="chat", now=NOW)

    assert not Service.objects.exists()
    assert noted(acme.pk) == []


def test_a_non_member_cannot_create_a_service(stan, acme):
    with pytest.raises(NotFound):
        create_service(stan, account=acme, name="chat", now=NOW)

    assert not Service.objects.exists()
    assert noted(acme.pk) == []


@pytest.mark.parametrize(
    ("fields", "culprit"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "null\0"}, "name"),
        ({"name": "chat", "comment": "x" * 501}, "comment"),
        ({"name": "chat", "comment": "\x1b[31m"}, "comment"),
        ({"name": "chat", "comment": "\ud800"}, "comment"),
        ({"name": "chat", "kind": "php"}, "type"),
    ],
)
def test_a_service_of_bad_fields_is_not_made(fields, culprit, sam, acme):
    with pytest.raises(Invalid) as refusal:
        create_service(sam, account=acme, now=NOW, **fields)

    assert refusal.value.field == culprit
    assert not Service.objects.exists()
    assert noted(acme.pk) == []


def test_two_services_of_one_account_cannot_share_a_name(sam, shop, acme):
    with pytest.raises(Duplicate) as refusal:
        create_service(sam, account=acme, name="shop", now=NOW)

    assert refusal.value.message == "Duplicate service: 'shop'"
    assert refusal.value.code == "duplicate"
    assert Service.objects.count() == 1
    assert noted(acme.pk) == []


def test_a_name_is_free_in_another_account_and_after_its_service_is_deleted(
    sam, stan, shop, acme, globex
):
    delete_service(sam, service=shop, now=NOW)

    again = create_service(sam, account=acme, name="shop", now=NOW)
    other = create_service(stan, account=globex, name="shop", now=NOW)

    assert len({shop.pk, again.pk, other.pk}) == 3


def test_a_service_is_renamed(eve, shop, acme):
    changed = update_service(eve, service=shop, name="store", now=NOW)

    assert changed.name == "store"
    assert Service.objects.get(pk=shop.pk).name == "store"
    assert last_entry(acme.pk) == {
        "action": "service.updated",
        "target": {"type": "service", "id": shop.pk, "label": "store"},
        "service_id": shop.pk,
        "before": {"name": "shop"},
        "after": {"name": "store"},
        "outcome": "done",
    }


def test_an_update_that_changes_nothing_notes_nothing(eve, shop, acme):
    unchanged = update_service(eve, service=shop, name="shop", comment="", now=NOW)

    assert unchanged == shop
    assert noted(acme.pk) == []


def test_a_service_cannot_take_a_name_in_use(eve, shop, acme):
    ServiceFactory.create(account=acme, name="chat")

    with pytest.raises(Duplicate):
        update_service(eve, service=shop, name="chat", now=NOW)

    assert Service.objects.get(pk=shop.pk).name == "shop"
    assert noted(acme.pk) == []


@pytest.mark.parametrize(
    "name",
    ["\u200b", "pay\u202egpj.bew", "sh\u00adop", "a\ufeff", "a\ue000", "a\u2028b"],
)
def test_a_name_with_hidden_characters_is_refused(eve, shop, name):
    with pytest.raises(Invalid) as refusal:
        update_service(eve, service=shop, name=name, comment="kept", now=NOW)

    assert refusal.value.field == "name"
    assert Service.objects.get().name == "shop"


def test_a_comment_with_reordered_text_is_refused(eve, shop):
    with pytest.raises(Invalid) as refusal:
        update_service(eve, service=shop, comment="pay\u202egpj.bew", now=NOW)

    assert refusal.value.field == "comment"


def test_two_spellings_of_a_letter_are_one_name(eve, shop):
    changed = update_service(eve, service=shop, name="cafe\u0301", now=NOW)

    assert changed.name == "caf\u00e9"


def test_a_service_is_not_renamed_to_nothing(eve, shop, acme):
    with pytest.raises(Invalid):
        update_service(eve, service=shop, name="", comment="kept", now=NOW)

    assert Service.objects.get(pk=shop.pk).comment == ""
    assert noted(acme.pk) == []


def test_a_limited_engineer_cannot_touch_another_service(lin, acme):
    chat = ServiceFactory.create(account=acme, name="chat")

    with pytest.raises(Forbidden, match="have access to this service"):
        update_service(lin, service=chat, name="mine", now=NOW)
    with pytest.raises(Forbidden, match="have access to this service"):
        delete_service(lin, service=chat, now=NOW)

    assert Service.objects.get(pk=chat.pk).deleted_at is None
    assert noted(acme.pk) == []


def test_a_member_without_the_permission_cannot_rename_or_delete(una, shop, acme):
    with pytest.raises(Forbidden):
        update_service(una, service=shop, name="mine", now=NOW)
    with pytest.raises(Forbidden):
        delete_service(una, service=shop, now=NOW)

    assert Service.objects.get(pk=shop.pk).name == "shop"
    assert noted(acme.pk) == []


def test_a_deleted_service_is_gone_for_all(eve, shop, acme):
    delete_service(eve, service=shop, now=NOW)

    assert list(services_of(eve)) == []
    assert Service.objects.get(pk=shop.pk).deleted_at == NOW
    assert last_entry(acme.pk) == {
        "action": "service.deleted",
        "target": {"type": "service", "id": shop.pk, "label": "shop"},
        "service_id": shop.pk,
        "before": {"name": "shop", "comment": ""},
        "after": None,
        "outcome": "done",
    }


def test_a_service_is_not_deleted_while_a_version_is_active(eve, shop, acme):
    live_version(shop, "shop.example.com", number=3)

    with pytest.raises(ServiceActive) as refusal:
        delete_service(eve, service=shop, now=NOW)

    assert refusal.value.message == (
        "Version '3' of service 'shop' is active. Deactivate it first, then delete the service."
    )
    assert Service.objects.get(pk=shop.pk).deleted_at is None
    assert noted(acme.pk) == []


def test_the_second_deletion_of_a_service_is_refused(sam, eve, shop):
    as_eve_read_it = Service.objects.get(pk=shop.pk)
    delete_service(sam, service=shop, now=NOW)

    with pytest.raises(ServiceGone):
        delete_service(eve, service=as_eve_read_it, now=NOW)
    with pytest.raises(ServiceGone):
        update_service(eve, service=as_eve_read_it, name="mine", now=NOW)

    assert noted(shop.account_id) == ["service.deleted"]


def test_a_deletion_is_refused_by_a_version_activated_after_the_page_was_read(
    eve, shop
):
    as_read = Service.objects.get(pk=shop.pk)
    VersionFactory.create(service=shop, live=True)

    with pytest.raises(ServiceActive):
        delete_service(eve, service=as_read, now=NOW)


def test_a_removed_permission_takes_effect_immediately(acme, shop):
    user = member(acme, "Kim", Role.ENGINEER)
    kim = actor_for(user, acme)
    update_service(kim, service=shop, comment="before", now=NOW)
    user.memberships.update(role=Role.USER.value)

    with pytest.raises(Forbidden):
        update_service(kim, service=shop, comment="after", now=NOW)

    assert Service.objects.get(pk=shop.pk).comment == "before"
