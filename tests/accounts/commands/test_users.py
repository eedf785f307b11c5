"""Staff are users without a role in any account."""

import pytest

from accounts.actor import Actor, Interface
from accounts.audit.models import AuditEvent
from accounts.commands.users import AddressTaken, create_staff
from accounts.models import Membership, User
from tests.factories.accounts import PASSWORD

LOADER = Actor.system("load-demo", interface=Interface.COMMAND)


def test_staff_belong_to_no_account(db, now):
    user = create_staff(
        LOADER, email="Ada@example.com", name="Ada", password=PASSWORD, now=now
    )

    assert (user.email, user.is_staff, user.is_superuser) == (
        "ada@example.com",
        True,
        True,
    )
    assert not Membership.objects.exists()
    event = AuditEvent.objects.get()
    assert (event.account_id, event.action) == ("platform", "user.created")


def test_an_address_has_one_owner(ada, now):
    with pytest.raises(AddressTaken):
        create_staff(
            LOADER, email="ada@example.com", name="Ada", password=PASSWORD, now=now
        )

    assert User.objects.count() == 1
    assert not AuditEvent.objects.exists()
