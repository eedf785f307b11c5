"""What members and accounts are called, and password resets that a superuser asks for."""

from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.commands.mail import LINK, queue_mail
from accounts.commands.sign_in import chains_of
from accounts.commands.users import cleaned_name
from accounts.errors import Forbidden
from accounts.models import Account, Membership, User
from accounts.roles import Permission


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
    with recorded_change(
        actor, Permission.ACCOUNT_CONFIGURE, on=account, now=now
    ) as trail:
        row = Account.objects.select_for_update().get(pk=account.pk)
        if row.name == name:
            raise Unchanged
        before, row.name = row.name, name
        row.save(update_fields=["name"])
        trail.note(
            Event.ACCOUNT_RENAMED,
            target=("account", row.pk, name),
            before={"name": before},
            after={"name": name},
        )


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
            now=now,
            password_of=user,
        )
        trail.note(Event.PASSWORD_RESET_REQUESTED, target=("user", user.pk, user.name))
