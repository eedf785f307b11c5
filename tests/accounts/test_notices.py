"""Notices: every event has its recipients or is silent, and each is made once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail as outbox
from django.urls import reverse

from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.commands import notices as commands
from accounts.commands.mail import queue_mail, send_due_mail
from accounts.commands.members import change_role, remove_member
from accounts.commands.notices import (
    LISTS,
    PAGE_LABELS,
    choose_topics,
    make_notices,
    mark_read,
    set_notice_defaults,
)
from accounts.models import Account, Notice, OutgoingMail, User
from accounts.notices import NOTICES, Topic, emailed, topics_of
from accounts.roles import Permission, Role
from products.enablement.models import Enablement
from tests.concurrency import together
from tests.factories import NOW
from tests.factories.accounts import NO_EMAILS, AccountFactory, actor_for, member

WEBSOCKETS = {
    "target": ("product", "websockets", "WebSockets"),
    "product": "websockets",
}


@pytest.fixture
def grace(acme):
    """Return Grace, the second superuser of Acme."""
    return actor_for(member(acme, "Grace", Role.SUPERUSER), acme)


@pytest.fixture
def people(acme, sam, grace, bo, eve, una, lin):
    """Return everyone in Acme, by name; Sam, Grace and Bo have a second factor."""
    for each in (sam, grace, bo):
        Authenticator.objects.create(user_id=each.user_id, type="totp", data={})
    return {each.label: each for each in (sam, grace, bo, eve, una, lin)}


@pytest.fixture
def write(acme, sam):
    """Return a function that writes an entry into Acme's trail, by Sam."""

    def note(event, *, by=sam, at=NOW, **fields):
        with recorded_change(by, Permission.ACCOUNT_READ, on=acme, now=at) as trail:
            trail.note(event, **(WEBSOCKETS | fields))

    return note


def notified():
    """Return the names of those who have notices."""
    return sorted(Notice.objects.values_list("user__name", flat=True))


SILENT = frozenset(
    {
        # Notified with another event of the same change.
        Event.BILL_CHANGED,
        Event.PACKAGE_ASSIGNED,
        Event.PACKAGE_REMOVED,
        Event.TRIAL_STARTED,
        Event.TRIAL_CONVERTED,
        Event.USER_CREATED,
        Event.BILLING_ZONE_CHANGED,
        Event.BILLING_CURRENCY_CHANGED,
        Event.USAGE_RECEIVED_LATE,
        Event.CREDIT_USED,
        # The command sends its own email immediately.
        Event.ACCOUNT_CREATED,
        Event.MEMBER_INVITED,
        Event.PASSWORD_RESET_REQUESTED,
        # Of the person's own doing, or of no consequence for others.
        Event.ACCOUNT_READ,
        Event.ACCOUNT_RENAMED,
        Event.ACCOUNT_TIME_ZONE_CHANGED,
        Event.NOTICE_DEFAULTS_CHANGED,
        Event.USER_TIME_ZONE_CHANGED,
        Event.USER_DATE_FORMAT_CHANGED,
        Event.AUDIT_READ,
        Event.USER_UPDATED,
        Event.INVITATION_RESENT,
        Event.INVITATION_REVOKED,
        Event.TOKEN_ISSUED,
        Event.TOKEN_REVOKED,
        Event.USER_LOGIN_FAILED,
        Event.USER_LOGGED_OUT,
        Event.USER_REAUTHENTICATED,
        Event.USER_REAUTHENTICATION_FAILED,
        Event.SECOND_FACTOR_RENAMED,
        Event.RECOVERY_CODES_REMOVED,
        Event.RECOVERY_CODES_VIEWED,
        Event.EMAIL_CHANGE_REQUESTED,
        Event.EMAIL_CHANGE_CANCELLED,
        Event.SESSION_ENDED,
        Event.NOTICE_PREFERENCES_CHANGED,
        Event.PRODUCT_REQUEST_WITHDRAWN,
        Event.DOMAIN_CLAIM_REQUESTED,
        Event.DOMAIN_CLAIM_VERIFIED,
        Event.DOMAIN_CLAIM_REFUSED,
        Event.DOMAIN_CLAIM_RELEASED,
        Event.INVOICE_DRAFTED,
        Event.WEBHOOK_CREATED,
        Event.WEBHOOK_UPDATED,
        Event.WEBHOOK_DELETED,
        Event.WEBHOOK_SECRET_ROTATED,
        Event.WEBHOOK_REPLAYED,
        Event.WEBHOOK_RESENT,
        Event.WEBHOOK_TESTED,
        # Of the platform, which has no members.
        Event.STAFF_APPOINTED,
        Event.STAFF_REMOVED,
        Event.CATALOGUE_PRODUCT_ADDED,
        Event.CATALOGUE_PRODUCT_UPDATED,
        Event.PLAN_ADDED,
        Event.EDGE_CREDENTIAL_ISSUED,
        Event.EDGE_CREDENTIAL_RENEWED,
        Event.EDGE_CREDENTIAL_REVOKED,
        Event.USAGE_DISPUTE_FOUND,
        Event.USAGE_DISPUTE_RESOLVED,
        Event.APPROVAL_REQUESTED,
        Event.APPROVAL_GRANTED,
        Event.APPROVAL_REFUSED,
        Event.KEY_ROTATED,
        Event.DATABASE_BACKED_UP,
        Event.DATABASE_RESTORED,
    }
)
# The kinds of parts of a version, and other work on services: people look at them there.
SILENT_RESOURCES = frozenset(
    {
        "service", "service_product", "version", "domain", "backend", "header", "snippet", "vcl",
        "logging", "condition", "request_settings", "cache_settings", "gzip", "response_object",
        "rate_limiter", "apex_redirect", "healthcheck", "director", "pool", "acl", "dictionary",
        "resource", "settings", "http3", "image_optimizer_settings",
    }
)  # fmt: skip


def is_silent(event):
    return event in SILENT or event.partition(".")[0] in SILENT_RESOURCES


def test_every_event_is_notified_to_someone_or_listed_as_silent():
    assert [each for each in Event if each not in NOTICES and not is_silent(each)] == []


def test_every_page_of_a_notice_exists_and_has_a_label():
    pages = {rule.page for rules in NOTICES.values() for rule in rules}

    assert pages | set(LISTS.values()) == set(PAGE_LABELS)
    assert set(LISTS) <= pages
    assert all(reverse(LISTS.get(page, page)) for page in pages)


ID = "a" * 22
PAGES = [
    (Event.INVOICE_FINALIZED, {"target": ("invoice", "1", "INV-1")}, "/billing/invoices/INV-1/"),
    (Event.INVOICE_VOIDED, {"target": ("invoice", "1", "INV-1")}, "/billing/invoices/INV-1/"),
    (Event.ADJUSTMENT_MADE, {"target": ("invoice", "1", "INV-1")}, "/billing/invoices/INV-1/"),
    (Event.CREDIT_NOTE_ISSUED, {"target": ("credit_note", "1", "CN-1"), "after": {"invoice": "INV-1"}}, "/billing/invoices/INV-1/"),
    (Event.CREDIT_NOTE_ISSUED, {"target": ("credit_note", "1", "CN-1")}, "/billing/"),
    (Event.PRODUCT_ENABLED, {}, "/products/#websockets"),
    (Event.BUDGET_CHANGED, {}, "/billing/#budget"),
    (Event.PRODUCT_REQUESTED, {"after": {"request": 7}}, "/requests/7/"),
    (Event.PRODUCT_REQUESTED, {}, "/products/"),
    (Event.WEBHOOK_PAUSED, {"target": ("webhook", ID, "https://x.test/")}, f"/webhooks/{ID}/"),
    (Event.DOMAIN_CLAIM_LOST, {"target": ("domain_claim", ID, "x.test")}, f"/domains/{ID}/"),
    (Event.MEMBER_JOINED, {"target": ("user", ID, "Una Castro")}, "/members/?q=Una+Castro"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "fields", "page"), PAGES)
def test_a_notice_links_to_the_one_thing_that_it_is_about(
    people, write, event, fields, page
):
    write(event, **fields)

    make_notices(now=NOW)

    assert set(Notice.objects.values_list("page", flat=True)) == {page}


def test_access_that_was_removed_links_to_no_service_that_is_hidden_now(
    people, eve, write
):
    target = ("user", eve.user_id, "Eve")
    write(Event.SERVICE_ACCESS_REVOKED, target=target, service_id=ID)

    make_notices(now=NOW)

    assert Notice.objects.get().page == "/services/"


def test_no_event_is_notified_and_listed_as_silent():
    assert [each for each in NOTICES if is_silent(each)] == []
    assert set(Event) >= SILENT


PERSON = {"target": ("user", "Eve", "Eve")}  # replaced by the id
SHOP = {"service_id": "shop", "target": ("version", "x/1", "x version 1")}
RECIPIENTS = [
    (Event.PRODUCT_ENABLED, {}, ["Bo", "Grace"]),
    (Event.PRODUCT_ENABLED, {"after": {"source": "trial"}}, ["Bo", "Grace"]),
    (Event.PRODUCT_DISABLED, {}, ["Bo", "Grace"]),
    (Event.PRODUCT_DISABLED, {"after": {"drain_mode": "cut"}}, ["Bo", "Grace"]),
    (Event.PRICE_PUBLISHED, {}, ["Bo", "Grace"]),
    (Event.ACCOUNT_SUSPENDED, {}, ["Bo", "Grace"]),
    (Event.BUDGET_REACHED, {}, ["Bo", "Grace"]),
    (Event.PRODUCT_BLOCKED, {}, ["Bo", "Grace"]),
    (Event.PRODUCT_BLOCKED, {"after": {"blocked_by": "trial"}}, []),
    (Event.PRODUCT_BLOCKED, {"after": {"state": "enabled"}}, ["Bo", "Grace"]),
    (Event.PRODUCT_BLOCKED, {"after": {"state": "disabled"}}, []),
    (Event.PRODUCT_UNBLOCKED, {"after": {"state": "enabled"}}, ["Bo", "Grace"]),
    (Event.PRODUCT_UNBLOCKED, {"after": {"state": "disabled"}}, []),
    (Event.TRIAL_ENDING, {}, ["Bo", "Grace"]),
    (Event.TRIAL_ENDED, {}, ["Bo", "Grace"]),
    (Event.INVOICE_FINALIZED, {}, ["Bo", "Grace"]),
    (Event.MEMBER_JOINED, PERSON, ["Grace"]),
    (Event.WEBHOOK_PAUSED, {}, ["Grace"]),
    (
        Event.ACCOUNT_SECOND_FACTOR_CHANGED,
        {"after": {"second_factor": "required"}},
        ["Eve", "Grace", "Lin", "Una"],  # Bo has a factor
    ),
    (
        Event.ACCOUNT_SECOND_FACTOR_CHANGED,
        {"after": {"second_factor": "optional"}},
        ["Grace"],
    ),
    (
        Event.ACCOUNT_SESSION_LIMITS_CHANGED,
        {"after": {"session_idle_seconds": 900, "session_max_seconds": None}},
        ["Bo", "Eve", "Grace", "Lin", "Una"],
    ),
    (Event.DOMAIN_CLAIM_LOST, {}, ["Grace"]),
    (Event.MEMBER_ROLE_CHANGED, PERSON, ["Eve"]),
    (Event.MEMBER_REMOVED, PERSON, ["Eve"]),
    (Event.MEMBER_ACCESS_LIMITED, PERSON, ["Eve"]),
    (Event.SERVICE_ACCESS_GRANTED, PERSON | {"after": {"access": "full"}}, ["Eve"]),
    (Event.SERVICE_ACCESS_GRANTED, PERSON | {"after": {"level": "full"}}, []),
    (Event.PASSWORD_CHANGED, PERSON, ["Eve"]),
    (Event.PRODUCT_REQUESTED, {"after": {"asked": "superusers"}}, ["Grace"]),
    (Event.PRODUCT_REQUESTED, {"after": {"asked": "sales"}}, []),
    (Event.PRODUCT_REQUEST_GRANTED, {"after": {"requester": "Una"}}, ["Una"]),
    (Event.PRODUCT_REQUEST_DECLINED, {"after": {"requester": "Una"}}, ["Una"]),
    (Event.DEPLOYMENT_REFUSED, {}, []),
    (Event.VERSION_ACTIVATED, SHOP, []),
]


@pytest.mark.parametrize(("event", "fields", "names"), RECIPIENTS)
def test_an_event_is_notified_to_its_recipients_and_not_to_the_actor(
    people, write, event, fields, names
):
    fields = dict(fields)
    if "target" in fields and fields["target"][0] == "user":
        fields["target"] = ("user", people["Eve"].user_id, "Eve")
    if "requester" in fields.get("after", {}):
        fields["after"] = {"requester": people["Una"].user_id}
    write(event, **fields)

    make_notices(now=NOW)

    assert notified() == names


def test_a_superuser_who_was_added_is_not_notified_of_it(people, grace, write):
    write(Event.MEMBER_JOINED, target=("user", grace.user_id, "Grace"))

    make_notices(now=NOW)

    assert notified() == []


def test_the_third_refused_deployment_within_a_day_is_notified_once(
    people, shop, write
):
    for hour in range(4):
        write(
            Event.DEPLOYMENT_REFUSED,
            by=people["Eve"],
            service_id=shop.pk,
            at=NOW + timedelta(hours=hour),
        )

    make_notices(now=NOW)

    assert notified() == ["Grace", "Lin", "Sam"]


def test_a_sign_in_with_another_browser_is_notified_and_a_known_one_is_not(
    acme, eve, monkeypatch
):
    firefox, chrome = "X11; Linux Firefox/1", "Windows Chrome/1"
    for minute, program in enumerate([firefox, firefox, chrome, firefox]):
        entry_of_sign_in(acme, eve, program, NOW + timedelta(minutes=minute))

    make_notices(now=NOW)

    [notice] = Notice.objects.all()
    assert (notice.sentence, notice.details) == (
        "Eve signed in",
        "From: 192.0.2.10, Chrome on Windows",
    )


def entry_of_sign_in(account, actor, program, at):
    acting = replace(actor, context=replace(actor.context, user_agent=program))
    with recorded_change(acting, Permission.ACCOUNT_READ, on=account, now=at) as trail:
        trail.note(Event.USER_LOGGED_IN, target=("user", actor.user_id, actor.label))


@pytest.mark.parametrize("mode", Enablement.DrainMode.values)
def test_the_notice_of_a_disabled_product_says_what_happens_to_open_connections(
    people, write, mode
):
    write(Event.PRODUCT_DISABLED, after={"state": "disabled", "drain_mode": mode})

    assert make_notices(now=NOW) == 2
    notice = Notice.objects.filter(user__name="Bo").get()
    assert notice.details.startswith("New connections that use it are refused")
    assert notice.details in OutgoingMail.objects.get(to="bo@example.com").body


def test_a_notice_is_made_once_however_often_the_trail_is_read(people, write):
    write(Event.PRODUCT_ENABLED)

    assert make_notices(now=NOW) == 2
    assert make_notices(now=NOW) == 0

    assert OutgoingMail.objects.count() == 2


def test_a_killed_worker_leaves_nothing_and_the_next_makes_all(
    people, write, monkeypatch
):
    write(Event.PRODUCT_ENABLED)

    def die(**_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(commands, "queue_mail", die)
        with pytest.raises(KeyboardInterrupt):
            make_notices(now=NOW)
    assert not Notice.objects.exists()

    assert make_notices(now=NOW) == 2


@pytest.mark.django_db(transaction=True)
def test_two_workers_make_each_notice_once(people, write):
    for _ in range(3):
        write(Event.PRODUCT_ENABLED)

    made = together(*[lambda: make_notices(now=NOW)] * 2)

    assert sorted(map(int, map(str, made))) == [0, 6]
    assert (Notice.objects.count(), OutgoingMail.objects.count()) == (6, 2)


def test_notices_of_one_change_are_one_email(people, write, settings):
    for slug in ("websockets", "ngwaf"):
        write(Event.PRODUCT_ENABLED, target=("product", slug, slug), product=slug)

    make_notices(now=NOW)

    assert Notice.objects.count() == 4
    mail = OutgoingMail.objects.get(to="bo@example.com")
    assert mail.subject == "Acme: Sam enabled websockets, and 1 more"
    assert "Sam enabled websockets.\nSam enabled ngwaf.\n" in mail.body
    portal = settings.PORTAL_URL
    assert f"Products: {portal}/products/\n" in mail.body
    assert f"Activity: {portal}/activity/" not in mail.body  # Bo can't


def test_what_is_said_of_all_notices_of_an_email_is_said_once(people, write):
    for slug in ("websockets", "ngwaf"):
        target = ("product", slug, slug)
        write(
            Event.PRODUCT_DISABLED, target=target, product=slug, reason="Trial is over."
        )

    make_notices(now=NOW)

    body = OutgoingMail.objects.get(to="bo@example.com").body
    assert body.count("Reason: Trial is over.") == 1


def test_a_reason_with_words_of_the_sentence_is_said(people, write):
    write(Event.PRODUCT_DISABLED, reason="WebSockets")

    make_notices(now=NOW)

    assert "Reason: WebSockets\n" in OutgoingMail.objects.get(to="bo@example.com").body


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("Unpaid invoice.", "Sam suspended the account: Unpaid invoice."),
        ("Unpaid invoice", "Sam suspended the account: Unpaid invoice."),
        ("Unpaid?", "Sam suspended the account: Unpaid?"),
        ("Unpaid...", "Sam suspended the account: Unpaid..."),
    ],
)
def test_a_sentence_of_an_email_has_one_full_stop(people, write, reason, line):
    write(Event.ACCOUNT_SUSPENDED, reason=reason)

    make_notices(now=NOW)

    body = OutgoingMail.objects.get(to="bo@example.com").body
    assert f"\n{line}\n" in body
    assert "Reason:" not in body


def test_a_removed_member_is_notified(acme, people, sam, eve, membership):
    remove_member(sam, membership=membership(eve), now=NOW)

    make_notices(now=NOW)

    assert "Eve" in notified()
    [mail] = OutgoingMail.objects.filter(to=eve.email)
    assert "Sam removed Eve (engineer) from the account." in mail.body
    assert "Entry in Activity" not in mail.body


def test_an_email_has_the_same_words_as_text_and_as_html(
    people, sam, bo, membership, settings
):
    change_role(sam, membership=membership(bo), role="superuser", now=NOW)
    make_notices(now=NOW)

    send_due_mail(now=NOW)

    [message] = outbox.outbox
    [(html, kind)] = message.alternatives
    html = str(html)
    assert message.subject == "Acme: Sam changed Bo's role from billing to superuser"
    assert "When: 22 November 2026, 12:00 UTC" in message.body
    assert f"Entry in Activity: {settings.PORTAL_URL}/activity/1/" in message.body
    assert kind == "text/html"
    assert f'<a href="{settings.PORTAL_URL}/"' in html
    assert "Hello Bo," in html
    assert "When: 22 November 2026, 12:00 UTC" in html


def test_a_long_subject_is_cut_between_words(people, sam, acme):
    queued = queue_mail(
        account=acme, to="a@b.example", subject="word " * 60, body="-", now=NOW
    )

    assert len(queued.subject) <= 200
    assert queued.subject.endswith("word…")


def test_a_name_with_markup_is_escaped_and_a_note_keeps_the_subject_in_one_line(
    people, write
):
    write(
        Event.PRODUCT_REQUESTED,
        after={"asked": "superusers", "note": "<b>please</b>\nsoon"},
    )
    make_notices(now=NOW)

    send_due_mail(now=NOW)

    [message] = outbox.outbox
    assert message.subject == "Acme: Sam requested WebSockets: “<b>please</b> soon”"
    assert "&lt;b&gt;please" in str(message.alternatives[0][0])


def test_a_request_to_sales_is_sent_to_their_address(people, una, write, settings):
    write(Event.PRODUCT_REQUESTED, by=una, after={"asked": "sales", "note": "Soon"})

    make_notices(now=NOW)

    [mail] = OutgoingMail.objects.all()
    assert mail.to == settings.SALES_EMAIL
    assert "Una requested WebSockets: “Soon”." in mail.body
    assert una.email in mail.body
    requests = "/admin/enablement/productrequest/?q="
    assert f"{settings.PORTAL_URL}{requests}{una.account_id}\n" in mail.body


def test_a_topic_that_is_turned_off_stays_on_the_page(
    people, grace, write, noted, acme
):
    user = User.objects.get(pk=grace.user_id)
    choose_topics(grace, user=user, choices=NO_EMAILS, now=NOW)
    write(Event.PRODUCT_ENABLED)

    make_notices(now=NOW)

    assert notified() == ["Bo", "Grace"]
    assert list(OutgoingMail.objects.values_list("to", flat=True)) == ["bo@example.com"]
    assert noted(acme) == ["notice_preferences.changed", "product.enabled"]


def test_topics_of_security_cannot_be_turned_off(people, sam, eve, write, acme):
    user = User.objects.get(pk=eve.user_id)
    choose_topics(eve, user=user, choices=NO_EMAILS, now=NOW)
    set_notice_defaults(sam, account=acme, by_email=[], now=NOW)

    on = [each.topic for each in topics_of(user, acme) if each.by_email]

    assert on == [Topic.LOGIN, Topic.ACCESS, Topic.SECURITY, Topic.SUSPENSION]


def test_the_default_of_the_account_counts_for_who_has_not_chosen(
    people, sam, grace, write, acme, noted
):
    user = User.objects.get(pk=grace.user_id)
    choose_topics(grace, user=user, choices={Topic.PRODUCTS: True}, now=NOW)
    set_notice_defaults(sam, account=acme, by_email=[Topic.PRICES], now=NOW)
    write(Event.PRODUCT_ENABLED)

    make_notices(now=NOW)

    mailed = OutgoingMail.objects.values_list("to", flat=True)
    assert list(mailed) == ["grace@example.com"]
    assert notified() == ["Bo", "Grace"]
    assert noted(acme)[1] == "notice_defaults.changed"


def test_a_choice_is_given_up_for_the_default(eve, acme):
    user = User.objects.get(pk=eve.user_id)
    choose_topics(eve, user=user, choices={Topic.PRICES: False}, now=NOW)
    off = user.pk in emailed([user], Topic.PRICES, acme)

    choose_topics(eve, user=user, choices={}, now=NOW)

    on = user.pk in emailed([user], Topic.PRICES, acme)
    assert (off, on) == (False, True)
    entry = AuditEvent.objects.latest("sequence")
    assert entry.body["before"] == {"prices": False}
    assert entry.body["after"] == {"prices": "default of the account"}


def test_an_account_has_no_default_of_another(people, sam, acme):
    globex = AccountFactory.create()
    set_notice_defaults(sam, account=acme, by_email=[], now=NOW)

    assert all(each.default for each in topics_of(None, globex))
    assert all(each.default for each in topics_of(None, None))


def test_what_the_sign_in_library_has_sent_is_not_sent_again(people, eve, write):
    write(Event.PASSWORD_CHANGED, by=eve, target=("user", eve.user_id, "Eve"))

    make_notices(now=NOW)

    assert notified() == ["Eve"]
    assert not OutgoingMail.objects.exists()


def test_only_own_notices_are_marked_as_read(people, grace, bo, write):
    write(Event.PRODUCT_ENABLED)
    make_notices(now=NOW)

    user = User.objects.get(pk=grace.user_id)
    assert mark_read(user, notices=Notice.objects.all(), now=NOW) == 1
    assert mark_read(user, notices=Notice.objects.all(), now=NOW) == 0

    unread = Notice.objects.filter(read_at=None)
    assert list(unread.values_list("user__name", flat=True)) == ["Bo"]


def test_times_of_a_notice_are_as_its_reader_reads_times(people, grace, acme, write):
    User.objects.filter(pk=grace.user_id).update(
        time_zone="Asia/Tokyo", date_format="iso"
    )
    Account.objects.filter(pk=acme.pk).update(time_zone="Europe/Berlin")
    ends_at = NOW.replace(hour=20).isoformat()
    write(Event.TRIAL_ENDING, after={"ends_at": ends_at})

    make_notices(now=NOW)

    sent = {each.to: each.body for each in OutgoingMail.objects.all()}
    assert "ends on 22 November 2026, 21:00 CET." in sent["bo@example.com"]
    assert "When: 22 November 2026, 13:00 CET\n" in sent["bo@example.com"]
    assert "ends on 2026-11-23 05:00 JST." in sent["grace@example.com"]
    assert "When: 2026-11-22 21:00 JST\n" in sent["grace@example.com"]
