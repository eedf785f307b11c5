"""Names, time zones and date formats of users and accounts; password resets by superusers."""

from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.commands.mail import LINK, queue_mail
from accounts.commands.sign_in import chains_of, own_login
from accounts.commands.users import cleaned_name
from accounts.date_formats import DateFormat
from accounts.errors import Forbidden, Invalid
from accounts.models import Account, Membership, User
from accounts.roles import Permission
from accounts.time_zones import zone_names


class OtherAccounts(Forbidden):
    """The user belongs to other accounts too, so their name is not this account's to change."""

    code = "other_accounts"


def rename_user(
    actor: Actor, *, membership: Membership, name: str, now: datetime
) -> None:
    """Change the name of the actor, or of another member who belongs to this account alone.

    Raises Forbidden, NotFound, Invalid and OtherAccounts. Notes user.updated in the chain of each
    account of the user; the same name changes nothing.
    """
    name = cleaned_name(name)
    own = membership.user_id == actor.user_id
    permission = Permission.USER_RENAME if own else Permission.MEMBER_MANAGE
    chains = chains_of(membership.user)
    with recorded_change(
        actor, permission, on=membership, also=chains, now=now
    ) as trail:
        user = User.objects.select_for_update().get(pk=membership.user_id)
        if not own and (set(chains) != {membership.account_id} or user.is_staff):
            raise OtherAccounts(
                f"{user} belongs to other accounts too. Only they can change their name."
            )
        if user.name == name:
            raise Unchanged
        before, user.name = user.name, name
        user.save(update_fields=["name"])
        for chain in trail.entries:
            trail.note(
                Event.USER_UPDATED,
                target=("user", user.pk, name),
                before={"name": before},
                after={"name": name},
                account_id=chain,
            )


def rename_account(actor: Actor, *, account: Account, name: str, now: datetime) -> None:
    """Change the account's name.

    Raises Forbidden and Invalid. Notes account.renamed; the same name changes nothing.
    """
    name = cleaned_name(name)
    _set_of_account(actor, account, "name", name, Event.ACCOUNT_RENAMED, now)


def choose_time_zone(
    actor: Actor, *, user: User, time_zone: str, now: datetime
) -> None:
    """Set the time zone in which a user reads times; "" for that of the account they are in.

    Raises NotFound for another user's login, and Invalid. Notes user.time_zone_changed in each of
    the user's chains; the same time zone changes nothing.
    """
    time_zone = _cleaned_zone(time_zone) if time_zone.strip() else ""
    event = Event.USER_TIME_ZONE_CHANGED
    _set_of_user(actor, user, "time_zone", time_zone, event, now)


def choose_date_format(
    actor: Actor, *, user: User, date_format: str, now: datetime
) -> None:
    """Set the format in which a user reads dates.

    Raises NotFound for another user's login, and Invalid. Notes user.date_format_changed in each of
    the user's chains; the same format changes nothing.
    """
    if date_format not in set(DateFormat):
        raise Invalid("Choose a format from the list.", field="date_format")
    event = Event.USER_DATE_FORMAT_CHANGED
    _set_of_user(actor, user, "date_format", date_format, event, now)


def _set_of_user(
    actor: Actor, user: User, field: str, value: str, event: Event, now: datetime
) -> None:
    with recorded_change(
        actor, Permission.LOGIN_OWN, **own_login(user), now=now
    ) as trail:
        row = User.objects.select_for_update().get(pk=user.pk)
        before = getattr(row, field)
        if before == value:
            raise Unchanged
        setattr(row, field, value)
        row.save(update_fields=[field])
        for chain in trail.entries:
            trail.note(
                event,
                target=("user", row.pk, str(row)),
                before={field: before},
                after={field: value},
                account_id=chain,
            )


def choose_account_time_zone(
    actor: Actor, *, account: Account, time_zone: str, now: datetime
) -> None:
    """Set the time zone in which members read times who chose none; bills keep their own.

    Raises Forbidden and Invalid. Notes account.time_zone_changed; the same time zone changes
    nothing.
    """
    time_zone = _cleaned_zone(time_zone)
    event = Event.ACCOUNT_TIME_ZONE_CHANGED
    _set_of_account(actor, account, "time_zone", time_zone, event, now)


def _set_of_account(
    actor: Actor, account: Account, field: str, value: str, event: Event, now: datetime
) -> None:
    with recorded_change(
        actor, Permission.ACCOUNT_CONFIGURE, on=account, now=now
    ) as trail:
        row = Account.objects.select_for_update().get(pk=account.pk)
        before = getattr(row, field)
        if before == value:
            raise Unchanged
        setattr(row, field, value)
        row.save(update_fields=[field])
        trail.note(
            event,
            target=("account", row.pk, row.name),
            before={field: before},
            after={field: value},
        )


def _cleaned_zone(name: str) -> str:
    """Return the name of a time zone as it is spelt. Raises Invalid for one that can't be chosen."""
    wanted = name.strip().lower()
    found = next((each for each in zone_names() if each.lower() == wanted), None)
    if found is None:
        raise Invalid(
            "Choose a time zone from the list, such as Europe/Berlin.",
            field="time_zone",
        )
    return found


def request_password_reset(
    actor: Actor, *, membership: Membership, now: datetime
) -> None:
    """Email a member a link by which they choose a new password; the old one stays valid.

    Raises Forbidden. Notes password.reset_requested.
    """
    user = membership.user
    own = membership.user_id == actor.user_id
    permission = Permission.USER_RENAME if own else Permission.MEMBER_MANAGE
    with recorded_change(actor, permission, on=membership, now=now) as trail:
        queue_mail(
            account=membership.account,
            to=user.email,
            subject="Choose a new password for Tollgate",
            body=(
                f"Hello {user.name},\n\n"
                f"{actor.words} asked you to choose a new password.\n"
                f"Choose it here, once, within three days:\n\n{LINK}\n"
            ),
            now=trail.now,
            password_of=user,
        )
        trail.note(Event.PASSWORD_RESET_REQUESTED, target=("user", user.pk, user.name))
