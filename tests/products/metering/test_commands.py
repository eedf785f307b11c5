"""The operator's commands: usage, rebuild_usage and restored."""

import io
import json
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command

from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from products.metering.commands import rebuild_stale_periods
from products.metering.models import ConnectionUsage, Edge, UsagePeriod
from products.metering.queries import current_epoch
from tests.factories import NOW
from tests.factories.accounts import AccountFactory
from tests.products.metering.reports import (
    delivery,
    kept,
    make_edge,
    outcome,
    record,
    take,
)


@pytest.fixture
def edge(db) -> Edge:
    return make_edge()


def output_of(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_usage_prints_json_for_programs(edge, shop):
    take(edge, record(service=shop.pk))

    printed = json.loads(output_of("usage", shop.account_id, "2026-11", "--json"))

    assert printed["minutes"] == 2
    assert printed["services"][shop.pk]["connections"] == 1
    assert printed["complete_to"] == NOW.isoformat()


def test_usage_prints_a_table_for_people(edge, shop):
    take(edge, record(service=shop.pk, bytes_to_client=5400), delivery(service=shop.pk))

    lines = output_of("usage", "Acme", "2026-11").splitlines()

    assert lines[0] == f"Acme ({shop.account_id}) in 2026-11, UTC"
    assert [line.split() for line in lines[2:4]] == [
        ["shop", "2", "1", "1,200", "5,400"],
        ["total", "2", "1", "1,200", "5,400"],
    ]
    assert lines[4:] == [
        "  ordinary HTTP: 3 requests",
        "  its bytes: 900 from clients, 70,000 to them",
        f"  complete to: {NOW.isoformat()}",
        "  open disputes: 0",
    ]


@pytest.mark.parametrize(
    "words,refusal",
    [
        (("Unknown", "2026-11"), "There is no account 'Unknown'."),
        (("Twice", "2026-11"), "Several accounts are called 'Twice'; give the id."),
        (("Acme", "November"), "'November' is not a month such as 2026-11."),
    ],
)
def test_usage_names_what_it_cannot_find(acme, words, refusal):
    AccountFactory.create_batch(2, name="Twice")

    with pytest.raises(CommandError, match=refusal.replace(".", r"\.")):
        output_of("usage", *words)


def test_rebuild_usage_derives_the_periods(edge, shop):
    take(
        edge,
        record(service=shop.pk),
        delivery(service=shop.pk),
        record(2, service="unknown"),
    )

    alone = output_of(
        "rebuild_usage", "--account", shop.account_id, "--month", "2026-11"
    )
    all_of_them = output_of("rebuild_usage")

    assert alone == "Rebuilt 1 periods.\n"
    assert all_of_them == "Rebuilt 2 periods.\n"
    period = UsagePeriod.objects.get(service=shop.pk)
    assert (period.account_id, period.month) == (shop.account_id, "2026-11")
    assert (period.minutes, period.connections, period.requests) == (2, 1, 3)
    assert (period.bytes_to_client, period.delivery_bytes_to_client) == (5400, 70_000)
    assert UsagePeriod.objects.get(service="unknown").account_id == ""


@time_machine.travel(NOW + timedelta(days=1))
def test_check_finds_periods_that_differ(edge, shop):
    take(edge, record(service=shop.pk), record(2, service="unknown"))
    output_of("rebuild_usage")

    agreed = output_of("rebuild_usage", "--check")
    UsagePeriod.objects.filter(service=shop.pk).update(minutes=3)
    take(edge, record(2, service="unknown", duration_us=91_000_000))
    out = io.StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command("rebuild_usage", "--check", stdout=out)

    assert agreed == "All periods match the usage records.\n"
    assert sorted(out.getvalue().splitlines()) == sorted(
        [f"{shop.pk} in 2026-11: minutes", "unknown in 2026-11: at_bounds"]
    )
    assert (str(refusal.value), refusal.value.returncode) == (
        "2 periods differ from the usage records.",
        1,
    )
    assert UsagePeriod.objects.get(service=shop.pk).minutes == 3


def test_check_finds_missing_periods(edge):
    take(edge, record())
    output_of("rebuild_usage")
    UsagePeriod.objects.all().delete()
    out = io.StringIO()

    with pytest.raises(CommandError, match="1 periods differ from the usage records"):
        call_command("rebuild_usage", "--check", stdout=out)

    assert out.getvalue() == "service-1 in 2026-11: there is no period\n"


def test_check_accepts_periods_that_are_only_stale(edge):
    take(edge, record())
    rebuild_stale_periods(now=NOW)
    later = NOW + timedelta(minutes=1)
    take(edge, record(bytes_to_client=5401), record(2, service="new"), now=later)

    assert output_of("rebuild_usage", "--check").splitlines() == [
        "new in 2026-11: there is no period (out of date)",
        "service-1 in 2026-11: bytes_to_client, at_bounds (out of date)",
        "All other periods match the usage records.",
    ]


def test_check_of_one_account_and_of_one_month(edge, shop, globex):
    take(edge, record(service=shop.pk), record(2, service="unknown"))
    output_of("rebuild_usage")
    UsagePeriod.objects.filter(service="unknown").update(minutes=3)

    of_account = output_of("rebuild_usage", "--check", "--account", shop.account_id)
    of_month = output_of("rebuild_usage", "--check", "--month", "2026-10")

    assert of_account == of_month == "All periods match the usage records.\n"


def test_restored_starts_a_new_epoch_and_resent_usage_counts_again(edge):
    epoch = take(edge, record(1)).ingest_epoch
    lost = take(edge, record(2), record(3, final=True))
    whole = kept()
    ConnectionUsage.objects.exclude(connection_id=record(1).id).delete()  # the backup

    output_of("restored")

    again = take(edge, record(1), record(2), record(3, final=True))
    event = AuditEvent.objects.get(action=Event.DATABASE_RESTORED)
    assert lost.ingest_epoch == epoch
    assert again.ingest_epoch == current_epoch() != epoch
    assert outcome(again) == (2, 1, [])
    assert kept() == whole
    assert (event.account_id, event.actor_id) == ("platform", "restored")


def test_restored_before_the_first_report_starts_an_epoch(db):
    printed = output_of("restored")

    assert current_epoch() in printed
