"""Staff are users without a role in any account."""

from accounts.actor import Actor, Interface
from accounts.audit.models import AuditEvent
from accounts.commands.offboarding import appoint_staff
from accounts.models import Membership
from tests.factories.accounts import PASSWORD

LOADER = Actor.system("load-demo", interface=Interface.COMMAND)


def test_staff_belong_to_no_account(db, now):
    user = appoint_staff(
        LOADER, email="Ada@example.com", name="Ada", password=PASSWORD, now=now
    )

    assert (user.email, user.is_staff, user.is_superuser) == (
        "ada@example.com",
        True,
        True,
    )
    assert not Membership.objects.exists()
    events = AuditEvent.objects.order_by("sequence")
    assert list(events.values_list("account_id", "action")) == [
        ("platform", "user.created"),
        ("platform", "staff.appointed"),
    ]


def test_an_existing_user_is_appointed_and_keeps_their_password(una, acme, now):
    user = appoint_staff(
        LOADER, email="una@example.com", name="Other", password=PASSWORD, now=now
    )

    user.refresh_from_db()
    assert (user.pk, user.name, user.is_staff) == (una.user_id, "Una", True)
    assert set(AuditEvent.objects.values_list("account_id", "action")) == {
        (acme.pk, "staff.appointed"),
        ("platform", "staff.appointed"),
    }
