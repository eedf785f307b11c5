"""Outages of edges: noted once for staff and for the accounts that the edge served, and their ends."""

from datetime import timedelta

import pytest
from django.core import mail as outbox

from accounts.audit.models import PLATFORM, AuditEvent
from accounts.audit.sentences import sentence_of
from accounts.commands.mail import send_due_mail
from accounts.commands.notices import choose_topics, make_notices
from accounts.models import Notice, OutgoingMail, User
from products.instants import microseconds_of
from products.metering.commands import check_edges, issue_credential, revoke_credential
from products.metering.models import ConnectionUsage, Edge, EdgeOutage
from tests.factories import NOW
from tests.factories.accounts import NO_EMAILS
from tests.factories.usage import connection_usage

LATER = NOW + timedelta(minutes=10)
SINCE = "22 November 2026, 12:00 UTC"


@pytest.fixture
def edge(ada):
    """Return an edge whose last request was at noon."""
    issued = issue_credential(ada, name="fra-1", now=NOW - timedelta(days=3))
    Edge.objects.filter(pk=issued.edge.pk).update(last_seen_at=NOW)
    return issued.edge


@pytest.fixture
def carried(edge, shop):
    """Return a connection of Acme that the edge carried."""
    row = connection_usage(shop, NOW - timedelta(hours=1), 5)
    rows = ConnectionUsage.objects.filter(pk=row.pk)
    rows.update(edge=edge.name)
    return rows


def chains(event):
    rows = AuditEvent.objects.filter(action=event)
    return sorted(rows.values_list("account_id", flat=True))


def test_an_outage_is_noted_once_for_the_platform_and_for_whom_the_edge_served(
    acme, globex, stan, carried
):
    check_edges(now=LATER)
    check_edges(now=LATER + timedelta(minutes=1))

    assert chains("edge_outage.found") == sorted([acme.pk, PLATFORM])
    entry = AuditEvent.objects.get(action="edge_outage.found", account_id=acme.pk)
    assert str(sentence_of(entry)) == f"The edge fra-1 has not reported since {SINCE}"


@pytest.mark.parametrize(
    ("changes", "served"),
    [
        ({"started_us": microseconds_of(NOW - timedelta(hours=25))}, False),
        ({"started_us": 1, "final": False}, True),
        ({"edge": "fra-2"}, False),
    ],
)
def test_traffic_of_the_last_day_and_open_connections_count(
    acme, carried, changes, served
):
    carried.update(**changes)

    check_edges(now=LATER)

    assert (acme.pk in chains("edge_outage.found")) == served


def test_a_restart_is_no_outage(carried):
    check_edges(now=NOW + timedelta(seconds=119))

    assert chains("edge_outage.found") == []


def test_the_end_of_an_outage_is_noted_where_it_was_noted(acme, carried, edge):
    check_edges(now=LATER)
    Edge.objects.filter(pk=edge.pk).update(last_seen_at=LATER)

    check_edges(now=LATER + timedelta(seconds=5))
    check_edges(now=LATER + timedelta(seconds=25))

    assert chains("edge_outage.ended") == sorted([acme.pk, PLATFORM])
    entry = AuditEvent.objects.get(action="edge_outage.ended", account_id=acme.pk)
    assert str(sentence_of(entry)) == (
        "The edge fra-1 reports again since 22 November 2026, 12:10 UTC;"
        f" it had not since {SINCE}"
    )
    assert not EdgeOutage.objects.exists()


def test_an_outage_ends_when_the_edge_is_removed(ada, acme, carried, edge):
    check_edges(now=LATER)
    revoke_credential(ada, name=edge.name, now=LATER)

    check_edges(now=LATER)

    entry = AuditEvent.objects.get(action="edge_outage.ended", account_id=acme.pk)
    assert str(sentence_of(entry)).endswith("was taken out of service")


def test_staff_superusers_and_engineers_get_one_notice_and_one_email(
    ada, sam, eve, bo, una, carried
):
    check_edges(now=LATER)

    make_notices(now=LATER)
    make_notices(now=LATER)
    send_due_mail(now=LATER)

    found = Notice.objects.filter(topic="edges").order_by("user__name")
    assert [(each.user.name, str(each.account)) for each in found] == [
        ("Ada", "None"),
        ("Eve", "Acme"),
        ("Sam", "Acme"),
    ]
    sent = {message.to[0]: message for message in outbox.outbox}
    to_staff = sent[User.objects.get(name="Ada").email]
    to_sam = sent[User.objects.get(name="Sam").email]
    assert (
        to_staff.subject == f"Tollgate: The edge fra-1 has not reported since {SINCE}"
    )
    assert "Account:" not in to_staff.body
    assert "Their usage arrives when it reports again." in to_sam.body
    assert "fra-1" in str(to_staff.alternatives[0][0])


def test_who_turned_the_topic_off_gets_no_email(sam, eve, carried):
    user = User.objects.get(pk=sam.user_id)
    choose_topics(sam, user=user, choices=NO_EMAILS, now=NOW)
    check_edges(now=LATER)

    make_notices(now=LATER)

    assert Notice.objects.filter(user=user, topic="edges").exists()
    assert user.email not in OutgoingMail.objects.values_list("to", flat=True)
