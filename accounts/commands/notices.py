"""Notices: a reader of the committed trail makes them, one per person and entry, and their emails.

A notice is written in the transaction that moves the reader, so a killed process or a second worker
makes none twice. It changes no state of an account, so it is not a `recorded_change`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from textwrap import shorten
from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse

from accounts.actor import TOLLGATE, Actor
from accounts.audit import reader
from accounts.audit.models import PLATFORM, AuditEvent
from accounts.audit.names import Names, names_in
from accounts.audit.queries import personal_data_of
from accounts.audit.sentences import (
    Sentence,
    changes_in_words,
    sentence_of,
    with_stop,
)
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.commands.mail import queue_mail
from accounts.commands.sign_in import own_login
from accounts.date_formats import minute_text, read_as
from accounts.models import Account, Notice, NoticeDefault, NoticePreference, User
from accounts.notices import (
    Audience,
    NoticeRule,
    Topic,
    TopicChoice,
    emailed,
    recipients_of,
    rules_of,
    topics_of,
)
from accounts.policy import members_with
from accounts.roles import Permission
from accounts.user_agents import browser_of

READER: Final = "notices"
ACCOUNTS_AT_ONCE: Final = 100
ENTRIES_AT_ONCE: Final = 50
MAX_SHARED_SUBJECT: Final = 120  # and then the account and "and 10 more"
WAS_NOT_YOU: Final = "Wasn't you? Change your password, sign out other sessions and tell a superuser of your account."
PAGE_LABELS: Final = {
    "billing": "Billing",
    "account_settings": "Account settings",
    "account_change_password": "Your password",
    "admin:enablement_productrequest_changelist": "Requests of the account",
    "admin:metering_edge_changelist": "The edge",
    "domain": "The domain",
    "domains": "Domains",
    "home": "Home",
    "invoice": "The invoice",
    "members": "Members",
    "mfa_index": "Security",
    "product_request": "The request",
    "products": "Products",
    "service": "The service",
    "services": "Services",
    "tokens": "API tokens",
    "usersessions_list": "Your sessions",
    "webhook": "The webhook",
    "webhooks": "Webhooks",
}
# The page with all things of a kind, for several, and for an entry of an older version that names none.
LISTS: Final = {
    "domain": "domains",
    "invoice": "billing",
    "product_request": "products",
    "service": "services",
    "webhook": "webhooks",
}


def make_notices(*, now: datetime) -> int:
    """Read what is new in the trails, make the notices and queue their emails; return how many."""
    behind = reader.accounts_behind(READER, limit=ACCOUNTS_AT_ONCE)
    accounts = Account.objects.filter(pk__in=behind).order_by("pk")
    made = sum(_make_for(account, account.pk, now) for account in accounts)
    return made + _make_for(None, PLATFORM, now)


def mark_read(user: User, *, notices: "QuerySet[Notice]", now: datetime) -> int:
    """Mark those notices as read that are a person's own and unread; return how many."""
    return notices.filter(user=user, read_at=None).update(read_at=now)


def choose_topics(
    actor: Actor, *, user: User, choices: Mapping[str, bool], now: datetime
) -> None:
    """Set which topics a person gets by email, and which not; those about security stay on.

    The default of the account counts for a topic that is left out. Raises NotFound for another
    user's login. Notes notice_preferences.changed in each of the user's chains.
    """
    with recorded_change(
        actor, Permission.LOGIN_OWN, **own_login(user), now=now
    ) as trail:
        before = {each.topic: each.own for each in _optional(user, None)}
        after = {topic: choices.get(topic) for topic in before}
        changed = [topic for topic in before if before[topic] != after[topic]]
        if not changed:
            raise Unchanged
        for topic in changed:
            rows = NoticePreference.objects.filter(user=user, topic=topic)
            rows.delete()
            if (chosen := after[topic]) is not None:
                rows.create(user=user, topic=topic, by_email=chosen)
        for chain in trail.entries:
            trail.note(
                Event.NOTICE_PREFERENCES_CHANGED,
                target=("user", user.pk, str(user)),
                before=_in_entry(before, changed),
                after=_in_entry(after, changed),
                account_id=chain,
            )


def set_notice_defaults(
    actor: Actor, *, account: Account, by_email: Collection[str], now: datetime
) -> None:
    """Set which topics members get by email who have not chosen; those about security stay on.

    Raises Forbidden. Notes notice_defaults.changed; the same topics change nothing.
    """
    with recorded_change(
        actor, Permission.ACCOUNT_CONFIGURE, on=account, now=now
    ) as trail:
        before = {each.topic: each.default for each in _optional(None, account)}
        after = {topic: topic.value in by_email for topic in before}
        changed = [topic for topic in before if before[topic] != after[topic]]
        if not changed:
            raise Unchanged
        for topic in changed:
            NoticeDefault.objects.update_or_create(
                account=account, topic=topic, defaults={"by_email": after[topic]}
            )
        trail.note(
            Event.NOTICE_DEFAULTS_CHANGED,
            target=("account", account.pk, account.name),
            before=_in_entry(before, changed),
            after=_in_entry(after, changed),
        )


def _optional(user: User | None, account: Account | None) -> list[TopicChoice]:
    choices = topics_of(user, account)
    return [each for each in choices if not each.topic.is_security]


def _in_entry(
    choices: Mapping[Topic, bool | None], topics: Collection[Topic]
) -> dict[str, bool | str]:
    """Return choices as the entry of a change has them, by topic."""
    return {
        topic.value: "default of the account" if chosen is None else chosen
        for topic, chosen in choices.items()
        if topic in topics
    }


@dataclass(frozen=True, slots=True)
class _Email:
    """A notice to send by email, with a link to the entry if they may."""

    notice: Notice
    rule: NoticeRule
    may_read: bool

    @property
    def group(self) -> tuple[object, ...]:
        """Return what notices have in common that are sent as one email: parts of one change."""
        notice = self.notice
        return notice.user_id, notice.at, notice.topic, self.rule.page


def _make_for(account: Account | None, chain: str, now: datetime) -> int:
    """Make the notices of a chain; that of the platform belongs to no account."""
    made = 0
    emails: dict[tuple[object, ...], list[_Email]] = defaultdict(list)
    with reader.claimed(READER, chain, limit=ENTRIES_AT_ONCE) as entries:
        names = names_in(entries)
        for entry in entries:
            for rule in rules_of(entry.action, chain):
                if account is not None and rule.audience is Audience.SALES:
                    made += _notify_sales(account, entry, rule, names, now)
                    continue
                people = recipients_of(entry, rule)
                made += len(people)
                for email in _notify(account, entry, rule, names, people):
                    emails[email.group].append(email)
        for each in emails.values():
            _queue_email(each, now=now)
    return made


def _notify(
    account: Account | None,
    entry: AuditEvent,
    rule: NoticeRule,
    names: Names,
    people: Collection[User],
) -> Iterator[_Email]:
    """Make the notices of an entry under a rule; give those that are sent by email too.

    Each person reads times in their own format and time zone.
    """
    if not people:
        return
    members = members_with(Permission.AUDIT_READ, entry.account_id)
    readers = set(members.values_list("user_id", flat=True))
    by_email = emailed(people, rule.topic, account) if rule.by_email else set()
    for person in people:
        with _as_read_by(person, account):
            notice = _make(account, entry, rule, names, person)
        if person.pk in by_email:
            yield _Email(notice, rule, may_read=person.pk in readers)


def _as_read_by(person: User, account: Account | None) -> AbstractContextManager[None]:
    account_zone = account.time_zone if account else ""
    return read_as(person.date_format, person.time_zone, account_zone)


def _make(
    account: Account | None,
    entry: AuditEvent,
    rule: NoticeRule,
    names: Names,
    person: User,
) -> Notice:
    sentence = sentence_of(entry, names)
    return Notice.objects.create(
        user=person,
        account=account,
        sequence=entry.sequence,
        topic=rule.topic,
        sentence=str(sentence),
        details="\n".join(_details(entry, rule, names, sentence)),
        page=_page_of(entry, rule),
        at=entry.at,
    )


def _notify_sales(
    account: Account, entry: AuditEvent, rule: NoticeRule, names: Names, now: datetime
) -> int:
    """Email an entry to the address of sales, who have no login."""
    if not rule.applies(entry):
        return 0
    sentence = str(sentence_of(entry, names))
    lines = [
        with_stop(sentence),
        "",
        f"Account: {account} ({account.pk})",
        _when(entry),
    ]
    if email := personal_data_of(entry).get("email"):
        lines.append(f"Email of the requester: {email}")
    lines += [
        "",
        f"{PAGE_LABELS[rule.page]}: {settings.PORTAL_URL}{_page_of(entry, rule)}",
    ]
    queue_mail(
        account=account,
        to=settings.SALES_EMAIL,
        subject=_subject(account, sentence),
        body="\n".join(lines) + "\n",
        now=now,
    )
    return 1


def _details(
    entry: AuditEvent, rule: NoticeRule, names: Names, sentence: Sentence
) -> Iterator[str]:
    reason = entry.body.get("reason")
    if reason and not sentence.has_reason:
        yield f"Reason: {reason}"
    if rule.details:
        yield from changes_in_words(entry, names)
    if rule.advice:
        yield rule.advice
    if rule.topic is Topic.LOGIN:
        personal = personal_data_of(entry)
        yield f"From: {personal.get('ip', 'unknown')}, {browser_of(personal.get('user_agent'))}"


def _page_of(entry: AuditEvent, rule: NoticeRule) -> str:
    """Return the path of the page that an entry is about."""
    if rule.page in LISTS:
        key = _key_of(entry, rule.page)
        return reverse(rule.page, args=[key]) if key else reverse(LISTS[rule.page])
    page = reverse(rule.page)
    if rule.page == "products" and entry.product:
        return f"{page}#{entry.product}"
    if rule.topic is Topic.BUDGET:
        return f"{page}#budget"
    if rule.page == "members" or rule.page.startswith("admin:"):
        # A list, searched for what the entry is about.
        is_named = entry.target_type in {"edge", "user"}
        sought = entry.target_label if is_named else entry.account_id
        return f"{page}?{urlencode({'q': sought})}"
    return page


def _key_of(entry: AuditEvent, page: str) -> str:
    """Return what names the one thing that an entry is about in the path of its page; "" if unknown."""
    after = entry.body.get("after") or {}
    match page:
        case "service":
            return entry.service_id
        case "product_request":
            return str(after.get("request") or "")
        case "invoice" if entry.target_type == "invoice":
            return entry.target_label
        case "invoice":
            return str(after.get("invoice") or "")
    is_same = entry.target_type in {page, f"{page}_claim"}
    return entry.target_id if is_same else ""


def _subject(account: Account | str, sentence: str) -> str:
    return " ".join(f"{account}: {sentence}".split())


def _when(entry: AuditEvent) -> str:
    return f"When: {minute_text(entry.at)}"


def _queue_email(emails: Sequence[_Email], *, now: datetime) -> None:
    """Queue one email about one notice, or about several of one change."""
    first = emails[0]
    notice, rule = first.notice, first.rule
    account, portal = notice.account, settings.PORTAL_URL
    subject = notice.sentence
    if len(emails) > 1:
        subject = shorten(subject, MAX_SHARED_SUBJECT, placeholder="…")
        subject += f", and {len(emails) - 1} more"
    lines = [f"Hello {notice.user},", "", *_what_happened(emails)]
    lines += ["", _page_line(emails)]
    if first.may_read:
        lines.append(_activity_line([each.notice for each in emails]))
    if rule.topic is Topic.LOGIN:
        lines += ["", WAS_NOT_YOU]
    if not rule.topic.is_security:
        settings_page = f"{portal}{reverse('notice_settings')}"
        lines += ["", f"Choose which emails you get: {settings_page}"]
    queue_mail(
        account=account,
        to=notice.user.email,
        subject=_subject(account or TOLLGATE, subject),
        body="\n".join(lines) + "\n",
        now=now,
    )


def _what_happened(emails: Sequence[_Email]) -> Iterator[str]:
    """Yield the notices of an email, where and when; details of all of them once, at the end."""
    notice = emails[0].notice
    is_shared = len({each.notice.details for each in emails}) == 1
    for each in emails:
        yield with_stop(each.notice.sentence)
        if not is_shared:
            yield from each.notice.details.splitlines()
    yield ""
    if notice.account:
        yield f"Account: {notice.account}"
    with _as_read_by(notice.user, notice.account):
        yield f"When: {minute_text(notice.at)}"
    if is_shared:
        yield from notice.details.splitlines()


def _page_line(emails: Sequence[_Email]) -> str:
    """Return the link to what an email is about; to the page with all of them if they are several."""
    name, page = emails[0].rule.page, emails[0].notice.page
    if any(each.notice.page != page for each in emails):
        name = LISTS.get(name, name)
        page = reverse(name)
    return f"{PAGE_LABELS[name]}: {settings.PORTAL_URL}{page}"


def _activity_line(notices: Sequence[Notice]) -> str:
    if len(notices) > 1:
        return f"Activity: {settings.PORTAL_URL}{reverse('activity')}"
    entry = reverse("activity_entry", args=[notices[0].sequence])
    return f"Entry in Activity: {settings.PORTAL_URL}{entry}"
