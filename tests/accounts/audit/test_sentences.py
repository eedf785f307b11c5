"""Entries as sentences: one form per event, from the whole entry."""

import json

import pytest

from accounts.actor import ActorType
from accounts.audit.models import AuditEvent
from accounts.audit.names import Names
from accounts.audit.sentences import (
    FORMS,
    actor_of_entry,
    changes_in_words,
    labelled_changes,
    person_of_entry,
    sentence_of,
)
from accounts.audit.vocabulary import Event

SHOP, ECHO, CHAT, NEWS = ("A" * 22, "B" * 22, "C" * 22, "D" * 22)
NAMES = Names(
    services={SHOP: "shop", ECHO: "echo", CHAT: "chat", NEWS: "news"},
    products={"websockets": "WebSockets"},
)
PERSON, STAFF = "user", "staff"


def entry(
    event,
    *,
    target=("user", "u2", "Eve"),
    actor=(ActorType.USER, "u1", "Sam"),
    account_id="acme",
    on_behalf_of="",
    product="",
    service_id="",
    before=None,
    after=None,
    reason="",
):
    """Return an entry that is not saved."""
    body = {
        "on_behalf_of": on_behalf_of,
        "before": before,
        "after": after,
        "reason": reason,
    }
    return AuditEvent(
        account_id=account_id,
        action=str(event),
        actor_type=actor[0],
        actor_id=actor[1],
        actor_label=actor[2],
        target_type=target[0],
        target_id=target[1],
        target_label=target[2],
        product=product,
        service_id=service_id,
        canonical=json.dumps(body),
    )


WEBSOCKETS = {
    "target": ("product", "websockets", "WebSockets"),
    "product": "websockets",
}
VERSION = {"target": ("version", f"{SHOP}/2", "shop version 2"), "service_id": SHOP}
BACKEND = {
    "target": ("backend", f"{SHOP}/2/backend/origin", "origin"),
    "service_id": SHOP,
}
OF_ACCOUNT = {"target": ("account", "acme", "Acme")}
SELF = {"target": ("user", "u1", "Sam")}
SERVICE = {"target": ("service", SHOP, "old-shop"), "service_id": SHOP}
BY_STAFF = {"actor": (ActorType.STAFF, "s1", "Ada Marchetti")}
FIFTY = {"amount": "50.00", "currency": "USD"}
BY_JOB = {"actor": (ActorType.SYSTEM, "bill-accounts", "bill-accounts")}

SENTENCES = [
    (Event.USER_LOGGED_IN, SELF, "Sam signed in"),
    (Event.USER_LOGIN_FAILED, SELF, "Failed sign-in as Sam"),
    (Event.ACCOUNT_READ, OF_ACCOUNT | BY_STAFF, "Ada Marchetti (Tollgate staff) viewed the account"),
    (Event.ACCOUNT_SUSPENDED, OF_ACCOUNT | BY_STAFF | {"reason": "Unpaid invoice"}, "Ada Marchetti (Tollgate staff) suspended the account: Unpaid invoice"),
    (Event.ACCOUNT_SECOND_FACTOR_CHANGED, OF_ACCOUNT | {"before": {"second_factor": "optional"}, "after": {"second_factor": "required"}}, "Sam made a second factor required for all members"),
    (Event.ACCOUNT_SECOND_FACTOR_CHANGED, OF_ACCOUNT | BY_STAFF | {"after": {"second_factor": "optional"}, "reason": "Locked out"}, "Ada Marchetti (Tollgate staff) made a second factor optional for all members: Locked out"),
    (Event.ACCOUNT_SESSION_LIMITS_CHANGED, OF_ACCOUNT | {"after": {"session_idle_seconds": 900, "session_max_seconds": None}}, "Sam changed the session limits of all members: 15 minutes without use, the portal's limit after signing in"),
    (Event.ACCOUNT_SESSION_LIMITS_CHANGED, OF_ACCOUNT | {"after": {"session_idle_seconds": 3600}}, "Sam changed the session limits of all members: 1 hour without use"),
    (Event.ACCOUNT_SESSION_LIMITS_CHANGED, OF_ACCOUNT | {"after": {"session_max_seconds": None}}, "Sam changed the session limits of all members: the portal's limit after signing in"),
    (Event.MEMBER_JOINED, SELF | {"after": {"role": "engineer"}}, "Sam joined as engineer"),
    (Event.MEMBER_JOINED, BY_STAFF | {"after": {"role": "superuser"}}, "Ada Marchetti (Tollgate staff) added Eve as superuser"),
    (Event.MEMBER_JOINED, {"actor": (ActorType.SYSTEM, "accept-invitation", "Eve"), "on_behalf_of": "u2", "after": {"role": "user"}}, "Eve joined as user"),
    (Event.USER_CREATED, SELF, "Sam created a login"),
    (Event.USER_CREATED, BY_STAFF, "Ada Marchetti (Tollgate staff) created a login for Eve"),
    (Event.USER_CREATED, BY_STAFF | {"account_id": "platform"}, "Ada Marchetti (Tollgate staff) created the staff user Eve"),
    (Event.MEMBER_INVITED, {"target": ("invitation", "i", "e…@x.example"), "after": {"role": "user", "services": "chosen services", SHOP: "full", ECHO: "read_only"}}, "Sam invited e…@x.example as user, with access to echo and shop"),
    (Event.MEMBER_INVITED, {"target": ("invitation", "i", "e…@x.example"), "after": {"role": "user", "services": "all services"}}, "Sam invited e…@x.example as user"),
    (Event.MEMBER_ROLE_CHANGED, {"before": {"role": "engineer"}, "after": {"role": "billing"}}, "Sam changed Eve's role from engineer to billing"),
    (Event.MEMBER_REMOVED, {"before": {"role": "user"}}, "Sam removed Eve (user) from the account"),
    (Event.MEMBER_ACCESS_LIMITED, {"after": {"services": "chosen services", SHOP: "full", ECHO: "full", CHAT: "full", NEWS: "full"}}, "Sam limited Eve to 4 services"),
    (Event.MEMBER_ACCESS_LIMITED, {"after": {"services": "chosen services", SHOP: "full"}}, "Sam limited Eve to shop"),
    (Event.SERVICE_ACCESS_GRANTED, {"service_id": SHOP, "after": {"access": "read_only"}}, "Sam gave Eve read only access to shop"),
    (Event.SERVICE_ACCESS_GRANTED, {"service_id": SHOP, "after": {"service": "shop", "level": "full"}}, "Eve got full access to shop by creating it"),
    (Event.TOKEN_ISSUED, {"target": ("token", "t", "CI"), "after": {"scope": "global", "services": "all services", "expires_at": "2027-01-01T00:00:00+00:00"}}, "Sam created the API token CI (scope global, valid until 1 January 2027, 00:00 UTC)"),
    (Event.PRODUCT_ENABLED, WEBSOCKETS | {"after": {"source": "direct", "plan": "Standard"}}, "Sam enabled WebSockets"),
    (Event.PRODUCT_ENABLED, WEBSOCKETS | BY_STAFF | {"after": {"source": "package", "plan": "Gold"}}, "Ada Marchetti (Tollgate staff) enabled WebSockets as part of the package Gold"),
    (Event.BILL_CHANGED, WEBSOCKETS | {"after": {"billed": True, "price_number": 3}}, "WebSockets was added to the bill (price version 3)"),
    (Event.BILL_CHANGED, WEBSOCKETS | {"after": {"billed": True, "price_number": 0, "source": "package", "plan": "Gold"}}, "WebSockets was added to the bill as part of the package Gold"),
    (Event.BILL_CHANGED, WEBSOCKETS | {"after": {"billed": False, "open_connections": "keep"}}, "WebSockets was removed from the bill; open connections are billed until they close"),
    (Event.BILL_CHANGED, WEBSOCKETS | {"after": {"billed": False, "billed_until": "2026-11-22T12:00:00+00:00"}}, "WebSockets was removed from the bill; usage is billed until 22 November 2026, 12:00 UTC"),
    (Event.SERVICE_PRODUCT_ENABLED, SERVICE | {"product": "websockets"}, "Sam switched WebSockets on for shop"),
    (Event.SERVICE_UPDATED, SERVICE | {"before": {"name": "old-shop"}, "after": {"name": "shop"}}, "Sam renamed the service old-shop to shop"),
    (Event.SERVICE_UPDATED, SERVICE | {"before": {"comment": "a"}, "after": {"comment": "b"}}, "Sam changed the comment of shop"),
    (Event.VERSION_CLONED, VERSION | {"after": {"number": 2, "cloned_from": 1}}, "Sam cloned version 1 of shop to version 2"),
    (Event.VERSION_ACTIVATED, VERSION | {"before": {"active_version": 1}, "after": {"active_version": 2}}, "Sam activated version 2 of shop"),
    (Event.VERSION_ACTIVATED, VERSION | {"before": {"active_version": 5}, "after": {"active_version": 2}}, "Sam rolled shop back from version 5 to 2"),
    (Event.DEPLOYMENT_REFUSED, VERSION | {"after": {"reasons": ["Shielding is on.", "x", "y"]}}, "Sam tried to activate version 2 of shop: Shielding is on (and 2 more reasons)"),
    (Event.BACKEND_CREATED, BACKEND, "Sam added the backend origin to version 2 of shop"),
    (Event.BACKEND_DELETED, BACKEND, "Sam removed the backend origin from version 2 of shop"),
    (Event.BACKEND_UPDATED, BACKEND | {"before": {"port": 80}, "after": {"port": 443}}, "Sam changed the backend origin in version 2 of shop: port"),
    # Before targets of versions and parts contained the service.
    (Event.BACKEND_UPDATED, {"target": ("backend", "origin", "origin in version 1"), "service_id": SHOP}, "Sam changed the backend origin in version 1 of shop"),
    (Event.VERSION_LOCKED, {"target": ("version", "7", "shop version 7"), "service_id": "gone"}, "Sam locked version 7 of shop"),
    (Event.PRICE_PUBLISHED, {"target": ("price_version", "p", "Standard version 2"), "product": "websockets", "after": {"number": 2, "effective_from": "2026-12-01T00:00:00+00:00"}}, "The price of WebSockets changes on 1 December 2026, 00:00 UTC: price version 2"),
    (Event.PRICE_PUBLISHED, BY_STAFF | {"account_id": "platform", "target": ("price_version", "p", "Standard version 2"), "product": "websockets", "after": {"number": 2, "effective_from": "2026-12-01T00:00:00+00:00"}}, "Ada Marchetti (Tollgate staff) published price version 2 of WebSockets, effective 1 December 2026, 00:00 UTC"),
    (Event.TRIAL_STARTED, WEBSOCKETS | {"after": {"ends_at": "2026-12-06T12:00:00+00:00"}}, "Sam started a trial of WebSockets until 6 December 2026, 12:00 UTC"),
    (Event.TOKEN_EXPIRING, BY_JOB | {"target": ("token", "1", "CI"), "after": {"owner": "Eve", "expires_at": "2026-12-06T12:00:00+00:00"}}, "The API token CI of Eve expires on 6 December 2026, 12:00 UTC"),
    (Event.TOKEN_EXPIRING, BY_JOB | {"target": ("token", "1", "CI"), "after": {"role": "engineer", "expires_at": "2026-12-06T12:00:00+00:00"}}, "The automation token CI (engineer) expires on 6 December 2026, 12:00 UTC"),
    (Event.TRIAL_ENDING, WEBSOCKETS | BY_JOB | {"after": {"ends_at": "2026-12-06T12:00:00+00:00"}}, "The trial of WebSockets ends on 6 December 2026, 12:00 UTC. New connections are refused then unless a superuser purchases it"),
    (Event.TRIAL_ENDED, WEBSOCKETS | BY_JOB | {"after": {"reason": "Its time is over."}}, "The trial of WebSockets ended: Its time is over"),
    (Event.TRIAL_CONVERTED, WEBSOCKETS | {"after": {"source": "direct", "plan": "p"}}, "Sam purchased WebSockets after the trial"),
    (Event.TRIAL_CONVERTED, WEBSOCKETS | {"after": {"source": "package", "plan": "Edge Complete"}}, "Sam replaced the trial of WebSockets with the package Edge Complete"),
    (Event.BUDGET_CHANGED, {"before": {"amount": ""}, "after": {"amount": FIFTY, "thresholds": [50], "action": "notify"}}, "Sam set the budget to 50.00 USD"),
    (Event.BUDGET_CHANGED, {"before": {"amount": ""}, "after": {"amount": FIFTY, "thresholds": [50], "action": "block_new"}}, "Sam set the budget to 50.00 USD; it refuses new connections at 100 %"),
    (Event.BUDGET_CHANGED, {"before": {"amount": FIFTY}, "after": {"amount": FIFTY | {"amount": "80.00"}}}, "Sam changed the budget from 50.00 USD to 80.00 USD"),
    (Event.BUDGET_CHANGED, {"before": {"thresholds": [100]}, "after": {"thresholds": [50, 75]}}, "Sam changed the budget; it notifies at 50 % and 75 %"),
    (Event.BUDGET_CHANGED, {"before": {"action": "notify"}, "after": {"action": "block_new"}}, "Sam changed the budget; it refuses new connections at 100 %"),
    (Event.BUDGET_CHANGED, {"before": {"amount": FIFTY, "action": "block_new", "thresholds": [100]}, "after": {"amount": FIFTY | {"amount": "80.00"}, "action": "notify", "thresholds": [50, 75]}}, "Sam changed the budget from 50.00 USD to 80.00 USD; it only notifies, at 50 % and 75 %"),
    (Event.BUDGET_REACHED, BY_JOB | {"target": ("budget", "1", "b"), "after": {"month": "2026-11", "percent": 50, "spent": {"amount": "1307.50", "currency": "USD"}, "amount": {"amount": "2500.00", "currency": "USD"}}}, "The bill for November 2026 reached 50 % of the budget: 1,307.50 USD of 2,500.00 USD"),
    (Event.PRODUCT_BLOCKED, WEBSOCKETS | BY_JOB | {"after": {"blocked_by": "budget", "reason": "The budget is used up", "state": "disabled"}}, "WebSockets was blocked while it is disabled, so new connections are refused if it is enabled: The budget is used up"),
    (Event.PRODUCT_BLOCKED, WEBSOCKETS | BY_JOB | {"after": {"blocked_by": "budget", "reason": "The budget is used up"}}, "WebSockets was blocked, so new connections are refused: The budget is used up"),
    (Event.ADJUSTMENT_MADE, BY_JOB | {"target": ("invoice", "1", "INV-1"), "reason": "Usage was late", "after": {"month": "2026-10", "amount": FIFTY}}, "Tollgate adjusted the bill for October 2026 by 50.00 USD: Usage was late"),
    (Event.CREDIT_GRANTED, BY_STAFF | {"reason": "Outage", "after": {"amount": {"amount": "5.00", "currency": "USD"}}}, "Ada Marchetti (Tollgate staff) granted a credit of 5.00 USD: Outage"),
    (Event.INVOICE_VOIDED, BY_JOB | {"target": ("invoice", "1", "2026-001"), "reason": "Wrong buyer"}, "Tollgate voided the invoice 2026-001: Wrong buyer"),
    (Event.USAGE_DISPUTE_FOUND, {"target": ("edge", "edge-1", "edge-1"), "after": {"conflicts": 1}}, "The edge edge-1 reported usage that contradicts recorded usage (1 record)"),
    (Event.USAGE_DISPUTE_FOUND, {"target": ("edge", "edge-1", "edge-1"), "after": {"conflicts": 2}}, "The edge edge-1 reported usage that contradicts recorded usage (2 records)"),
    (Event.USAGE_VOIDED, BY_STAFF | {"target": ("usage_void", "1", "edge-1"), "reason": "Wrong clock", "after": {"connections": 1200, "minutes": 2316331, "starts_at": "2026-11-05T00:00:00+00:00", "ends_at": "2026-11-10T00:00:00+00:00"}}, "Ada Marchetti (Tollgate staff) voided what the edge edge-1 reported: 1,200 connections with 2,316,331 minutes from 5 November 2026, 00:00 UTC to 10 November 2026, 00:00 UTC: Wrong clock"),
    ("later.event", {}, "Sam later.event: Eve"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "fields", "sentence"), SENTENCES)
def test_an_entry_reads_as_a_sentence(event, fields, sentence):
    assert str(sentence_of(entry(event, **fields), NAMES)) == sentence


@pytest.mark.parametrize("event", list(Event))
def test_every_event_has_a_form_or_is_one_of_a_part(event):
    verbs = ("added ", "changed ", "removed ")
    assert event in FORMS or event.description.startswith(verbs)


@pytest.mark.parametrize("event", list(Event))
def test_an_entry_without_its_values_still_has_a_sentence(event):
    words = str(sentence_of(entry(event)))

    assert words
    assert "{" not in words


def test_a_name_that_is_gone_reads_as_its_id():
    switched = entry(Event.SERVICE_PRODUCT_ENABLED, service_id=SHOP, product="fanout")

    assert str(sentence_of(switched)) == f"Sam switched fanout on for {SHOP}"


def test_braces_in_names_stay_as_they_are():
    renamed = entry(
        Event.ACCOUNT_RENAMED, before={"name": "{actor}"}, after={"name": "{0}"}
    )

    assert str(sentence_of(renamed)) == "Sam renamed the account from {actor} to {0}"


@pytest.mark.parametrize(
    ("actor", "owner", "words"),
    [
        ((ActorType.USER, "u1", "Sam (the boss)"), "", "Sam (the boss)"),
        ((ActorType.TOKEN, "t1", "Sam Osei (CI)"), "u1", "Sam Osei (token CI)"),
        (
            (ActorType.TOKEN, "t2", "CI (automation token)"),
            "",
            "CI (automation token)",
        ),
        ((ActorType.STAFF, "s1", "Ada"), "", "Ada (Tollgate staff)"),
        ((ActorType.SYSTEM, "close-month", "close-month"), "", "Tollgate"),
    ],
)
def test_an_actor_is_named_with_what_they_are(actor, owner, words):
    found = entry(Event.ACCOUNT_READ, actor=actor, on_behalf_of=owner)

    assert actor_of_entry(found) == words


def test_a_failed_sign_in_is_not_attributed_to_the_person():
    assert person_of_entry(entry(Event.USER_LOGIN_FAILED, **SELF)) == ""


def test_changes_have_labels_and_readable_values():
    changed = entry(
        Event.BACKEND_UPDATED,
        **BACKEND,
        before={"ssl_sni_hostname": "", "use_ssl": False},
        after={"ssl_sni_hostname": "a.example", "use_ssl": True},
    )

    assert [(each.field, each.before, each.after) for each in labelled_changes(changed)] == [
        ("Enable TLS", "no", "yes"),
        ("SNI hostname", "", "a.example"),
    ]  # fmt: skip


def test_a_change_of_access_names_the_services_and_prices_have_their_currency():
    limited = entry(
        Event.MEMBER_ACCESS_LIMITED,
        after={"services": "chosen services", SHOP: "read_only"},
    )
    priced = entry(
        Event.PRICE_PUBLISHED,
        after={
            "currency": "USD",
            "fee_micros": 2_500_000,
            "tiers": [
                {"up_to": 10, "unit_price_nanos": 600_000_000},
                {"up_to": None, "unit_price_nanos": 500_000_000},
            ],
        },
    )

    assert ("shop", "read only") in [
        (each.field, each.after) for each in labelled_changes(limited, NAMES)
    ]
    assert [(each.field, each.after) for each in labelled_changes(priced)] == [
        ("Currency", "USD"),
        ("Monthly fee", "2.50 USD"),
        ("Prices", "0.60 USD up to 10, 0.50 USD beyond"),
    ]


def older_price(*tiers, **fields):
    """Return a price as entries had it before they kept its words."""
    return {
        "number": 2,
        "currency": "USD",
        "meter": "connection_time",
        "unit": "million connection minutes",
        "effective_from": "2026-12-01T00:00:00+00:00",
        "fee_micros": 0,
        "included_units": 0,
        "unit_mode": "fraction",
        "proration": "none",
        "tiers": [
            {"up_to": up_to, "unit_price_nanos": nanos} for up_to, nanos in tiers
        ],
    } | fields


def test_an_older_price_without_words_reads_as_sentences():
    before = older_price((None, 500_000_000))
    after = older_price(
        (10, 600_000_000), (None, 500_000_000), fee_micros=25_000_000, included_units=1
    )
    changed = entry(Event.PRICE_PUBLISHED, before=before, after=after)
    withdrawn = entry(Event.PRICE_CLOSED, before=before, after={"reason": "Wrong"})

    assert list(changes_in_words(changed)) == [
        (
            "Price: 0.60 USD per million connection minutes up to 10 million connection "
            "minutes, 0.50 USD per million connection minutes beyond. A fee of 25.00 USD per "
            "month is charged too. The first 1 million connection minutes of a month are included."
        ),
        "Before: 0.50 USD per million connection minutes.",
    ]
    assert list(changes_in_words(withdrawn)) == [
        "Withdrawn: 0.50 USD per million connection minutes."
    ]
