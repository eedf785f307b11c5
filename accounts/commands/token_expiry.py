"""Gives notice of API tokens that expire soon: seven days before, and again one day before."""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.errors import RefusalError
from accounts.models import Account, ApiToken
from accounts.roles import Permission

logger = logging.getLogger(__name__)
JOB: Final = Actor.system("check-tokens")
NOTICES_BEFORE: Final = (timedelta(days=7), timedelta(days=1))


def expiring_tokens(now: datetime, *notices_before: timedelta) -> "QuerySet[ApiToken]":
    """Return the valid tokens with a notice that is due and was not given, by time before expiry.

    A token that was created after the notice was due needs none.
    """
    due = Q()
    for before in notices_before:
        due |= Q(expires_at__lte=now + before, latest_at__lt=F("expires_at") - before)
    return ApiToken.objects.alias(
        latest_at=Coalesce("expiry_noted_at", "created_at")
    ).filter(due, revoked_at=None, expires_at__gt=now)


def check_tokens(*, now: datetime) -> None:
    """Give notice of the tokens of every account that expire soon."""
    tokens = expiring_tokens(now, *NOTICES_BEFORE)
    accounts = Account.objects.filter(pk__in=tokens.values("account"))
    for account in accounts.order_by("pk"):
        try:
            check_account_tokens(JOB, account=account, now=now)
        except (RefusalError, DatabaseError):
            logger.exception(
                "The API tokens of an account could not be checked.",
                extra={"account_id": account.pk},
            )


def check_account_tokens(actor: Actor, *, account: Account, now: datetime) -> None:
    """Note token.expiring for the account's tokens that expire soon; their owners get a notice.

    If both notices are due, one is given. Raises Forbidden.
    """
    with recorded_change(actor, Permission.TOKEN_CHECK, on=account, now=now) as trail:
        due = expiring_tokens(trail.now, *NOTICES_BEFORE).filter(account=account)
        tokens = list(
            due.select_related("user").select_for_update(of=("self",)).order_by("pk")
        )
        if not tokens:
            raise Unchanged
        for token in tokens:
            token.expiry_noted_at = trail.now
            token.save(update_fields=["expiry_noted_at"])
            assert token.expires_at is not None  # noqa: S101 - see expiring_tokens
            trail.note(
                Event.TOKEN_EXPIRING,
                target=("token", token.pk, token.name),
                after={
                    "expires_at": token.expires_at.isoformat(timespec="seconds"),
                    **(
                        {"role": token.role}
                        if token.role
                        else {"owner": str(token.user)}
                    ),
                },
            )
