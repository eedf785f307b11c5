"""Notices: a reader of the committed trail makes them, one per person and entry, and their emails.

A notice is written in the transaction that moves the reader, so a killed process or a second worker
makes none twice. It changes no state of an account, so it is not a `recorded_change`.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.actor import TOLLGATE, Actor
from accounts.audit import reader
from accounts.audit.models import PLATFORM, AuditEvent
from accounts.audit.names import Names, names_in
from accounts.audit.queries import personal_data_of
from accounts.audit.sentences import labelled_changes, sentence_of
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.commands.mail import queue_mail
from accounts.commands.sign_in import own_login
from accounts.models import Account, Notice, NoticePreference, User
from accounts.notices import (
    Audience,
    NoticeRule,
    Topic,
    recipients_of,
    rules_of,
    topics_of,
    wants_email,
)
from accounts.policy import members_with
from accounts.roles import Permission
from accounts.time_zones import minute_text, zone_of
from accounts.user_agents import browser_of

READER: Final = "notices"
ACCOUNTS_AT_ONCE: Final = 100
ENTRIES_AT_ONCE: Final = 50
WAS_NOT_YOU: Final = "Wasn't you? Change your password, sign out other sessions and tell a superuser of your account."
PAGE_LABELS: Final = {
    "billing": "Billing",
    "account_change_password": "Your password",
    "admin:index": "Administration",
    "domains": "Domains",
    "home": "Home",
    "members": "Members",
    "products": "Products",
    "services": "Services",
    "tokens": "API tokens",
    "usersessions_list": "Your sessions",
    "webhooks": "Webhooks",
}


def make_notices(*, now: datetime) -> int:
    """Read what is new in the trails, make the notices and queue their emails; return how many."""
    behind = reader.accounts_behind(READER, limit=ACCOUNTS_AT_ONCE)
    accounts = Account.objects.filter(pk__in=behind).order_by("pk")
    made = sum(_make_for(account, account.pk, now) for account in accounts)
    return made + _make_for(None, PLATFORM, now)


def mark_read(user: User, *, notice_ids: Collection[str] | None, now: datetime) -> None:
    """Mark a person's own notices as read: some, or all with None."""
    unread = Notice.objects.filter(user=user, read_at=None)
    if notice_ids is not None:
        unread = unread.filter(pk__in=notice_ids)
    unread.update(read_at=now)


def choose_topics(
    actor: Actor, *, user: User, by_email: Collection[str], now: datetime
) -> None:
    """Set which topics a person gets by email; those about security stay on.

    Raises NotFound for another user's login. Notes notice_preferences.changed in each of the
    user's chains.
    """
    with recorded_change(
        actor, Permission.LOGIN_OWN, **own_login(user), now=now
    ) as trail:
        before = {topic: on for topic, on in topics_of(user) if not topic.is_security}
        after = {topic: topic.value in by_email for topic in before}
        changed = [topic for topic in before if before[topic] != after[topic]]
        if not changed:
            raise Unchanged
        for topic in changed:
            NoticePreference.objects.update_or_create(
                user=user, topic=topic, defaults={"by_email": after[topic]}
            )
        for chain in trail.entries:
            trail.note(
                Event.NOTICE_PREFERENCES_CHANGED,
                target=("user", user.pk, str(user)),
                before={topic.value: before[topic] for topic in changed},
                after={topic.value: after[topic] for topic in changed},
                account_id=chain,
            )


def _make_for(account: Account | None, chain: str, now: datetime) -> int:
    """Make the notices of a chain; that of the platform belongs to no account."""
    with reader.claimed(READER, chain, limit=ENTRIES_AT_ONCE) as entries:
        names = names_in(entries)
        return sum(
            _tell(account, entry, rule, names, now)
            for entry in entries
            for rule in rules_of(entry.action, chain)
        )


def _tell(
    account: Account | None,
    entry: AuditEvent,
    rule: NoticeRule,
    names: Names,
    now: datetime,
) -> int:
    """Make the notices of an entry under a rule, with their emails; return how many.

    Each person reads times in their own time zone.
    """
    if account is not None and rule.audience is Audience.SALES:
        return _tell_sales(account, entry, rule, names, now)
    people = recipients_of(entry, rule)
    if not people:
        return 0
    members = members_with(Permission.AUDIT_READ, entry.account_id)
    readers = set(members.values_list("user_id", flat=True))
    zone = account.time_zone if account else ""
    for person in people:
        with timezone.override(zone_of(person.time_zone, zone)):
            notice = _make(account, entry, rule, names, person)
            if rule.by_email and wants_email(person, rule.topic):
                _queue_email(notice, rule, may_read=person.pk in readers, now=now)
    return len(people)


def _make(
    account: Account | None,
    entry: AuditEvent,
    rule: NoticeRule,
    names: Names,
    person: User,
) -> Notice:
    return Notice.objects.create(
        user=person,
        account=account,
        sequence=entry.sequence,
        topic=rule.topic,
        sentence=str(sentence_of(entry, names)),
        details="\n".join(_details(entry, rule, names)),
        page=_page_of(entry, rule),
        at=entry.at,
    )


def _tell_sales(
    account: Account, entry: AuditEvent, rule: NoticeRule, names: Names, now: datetime
) -> int:
    """Email an entry to the address of sales, who have no login."""
    if not rule.applies(entry):
        return 0
    sentence = str(sentence_of(entry, names))
    lines = [f"{sentence}.", "", f"Account: {account} ({account.pk})", _when(entry)]
    if email := personal_data_of(entry).get("email"):
        lines.append(f"Email of the requester: {email}")
    lines += [
        "",
        f"{PAGE_LABELS[rule.page]}: {settings.PORTAL_URL}{reverse(rule.page)}",
    ]
    queue_mail(
        account=account,
        to=settings.SALES_EMAIL,
        subject=_subject(account, sentence),
        body="\n".join(lines) + "\n",
        now=now,
    )
    return 1


def _details(entry: AuditEvent, rule: NoticeRule, names: Names) -> Iterator[str]:
    reason = str(entry.body.get("reason") or "")
    if reason and reason not in str(sentence_of(entry, names)):
        yield f"Reason: {reason}"
    if rule.details:
        for change in labelled_changes(entry, names):
            was = f" (before: {change.before})" if change.before else ""
            yield f"{change.field}: {change.after or 'not set'}{was}"
    if rule.advice:
        yield rule.advice
    if rule.topic is Topic.LOGIN:
        personal = personal_data_of(entry)
        yield f"From: {personal.get('ip', 'unknown')}, {browser_of(personal.get('user_agent'))}"


def _page_of(entry: AuditEvent, rule: NoticeRule) -> str:
    if rule.page == "services" and entry.service_id:
        return reverse("service", args=[entry.service_id])
    return reverse(rule.page)


def _subject(account: Account | str, sentence: str) -> str:
    return " ".join(f"{account}: {sentence}".split())


def _when(entry: AuditEvent) -> str:
    return f"When: {minute_text(entry.at)}"


def _queue_email(
    notice: Notice, rule: NoticeRule, *, may_read: bool, now: datetime
) -> None:
    account, portal = notice.account, settings.PORTAL_URL
    about = [f"Account: {account}"] if account else []
    lines = [
        f"Hello {notice.user},",
        "",
        f"{notice.sentence}.",
        "",
        *about,
        f"When: {minute_text(notice.at)}",
        *notice.details.splitlines(),
        "",
        f"{PAGE_LABELS[rule.page]}: {portal}{notice.page}",
    ]
    if may_read:
        entry = reverse("activity_entry", args=[notice.sequence])
        lines.append(f"Entry in Activity: {portal}{entry}")
    if rule.topic is Topic.LOGIN:
        lines += ["", WAS_NOT_YOU]
    if not rule.topic.is_security:
        settings_page = f"{portal}{reverse('notice_settings')}"
        lines += ["", f"Choose which emails you get: {settings_page}"]
    queue_mail(
        account=account,
        to=notice.user.email,
        subject=_subject(account or TOLLGATE, notice.sentence),
        body="\n".join(lines) + "\n",
        now=now,
    )
