"""A month is drafted, becomes final once, and is corrected when usage arrives late."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts.actor import Actor
from accounts.errors import Invalid
from products.billing.commands.closing import (
    MonthNotOver,
    NotComplete,
    draft_invoice,
    finalize_invoice,
    void_invoice,
)
from products.billing.commands.corrections import TooLate, correct_month
from products.billing.commands.credits import expire_credits, grant_credit
from products.billing.commands.running import refresh_bill
from products.billing.commands.sweeps import close_due_months, refresh_bills
from products.billing.models import (
    Adjustment,
    Contract,
    Credit,
    CreditNote,
    Invoice,
    NumberSeries,
    UninvoicedMonth,
)
from products.billing.queries.credits import balance
from products.billing.queries.invoices import (
    InvoiceCheck,
    accounts_to_bill,
    connections_of,
    invoice_check,
    open_invoice,
    posted_invoices,
)
from products.catalogue.money import Money
from products.enablement.commands import disable
from products.metering.commands import (
    rebuild_stale_periods,
    rebuild_usage,
    void_usage,
)
from products.metering.models import ConnectionUsage, Edge, UsageDispute, UsagePeriod
from products.metering.queries import usage
from products.metering.queries.voids import EdgeTime
from products.months import Month
from tests.factories.services import ServiceFactory
from tests.factories.trail import noted
from tests.factories.usage import connection_usage, many_minutes, reporting_edge
from tests.products.billing.conftest import CLOSED, MID_OCTOBER, OCTOBER, SEPTEMBER
from tests.products.web.conftest import text_of

JOB = Actor.system("bill-accounts")
NOVEMBER = Month(2026, 11)


def usd(amount):
    return Money.of(amount, "USD")


def draft(acme, now=CLOSED, month=OCTOBER):
    return draft_invoice(JOB, account=acme, month=month, now=now)


def finalize(acme, now=CLOSED, month=OCTOBER, **rest):
    return finalize_invoice(JOB, account=acme, month=month, now=now, **rest)


def correct(acme, now=CLOSED):
    return correct_month(JOB, account=acme, month=OCTOBER, now=now)


def lines(invoice):
    return [(row.kind, row.quantity, row.amount_micros) for row in invoice.lines.all()]


def test_the_month_of_an_enabled_product_is_invoiced_at_zero_without_usage(
    acme, enabled
):
    invoice = finalize(acme)

    assert (invoice.number, invoice.status) == ("INV-000001", "final")
    assert (invoice.subtotal, lines(invoice)) == (usd("0.00"), [])


def test_an_account_without_a_product_has_nothing_to_bill(acme, websockets):
    assert finalize(acme) is None
    assert Invoice.objects.count() == 0


def test_an_invoice_bills_the_minutes_and_explains_them(acme, shop, enabled):
    connection_usage(shop, MID_OCTOBER, 123_456_789 // 1000, name="a.b.1")
    connection_usage(shop, MID_OCTOBER, 10_000_000, name="a.b.2")

    invoice = finalize(acme)

    [line] = invoice.lines.all()
    assert line.quantity == sum(
        each.minutes for each in connections_of(line)
    )  # those within October
    assert line.price_version.number == 1
    assert [tier["quantity"] for tier in line.tiers] == [line.quantity]
    assert line.connections == 2
    assert line.services[0]["amount_micros"] == line.amount_micros
    assert invoice_check(invoice, CLOSED) == InvoiceCheck()


def test_finalising_again_or_by_the_sweep_changes_nothing(acme, shop, enabled):
    connection_usage(shop, MID_OCTOBER, 1_000)
    first = finalize(acme)
    entries = noted(acme.pk)

    again = finalize(acme)
    close_due_months(CLOSED)

    assert again == first
    assert again.content_hash == first.content_hash
    assert noted(acme.pk) == [*entries, "invoice.drafted"]  # September's
    assert Invoice.objects.filter(month="2026-10").count() == 1


def test_numbers_have_no_gaps_if_an_invoice_is_refused(acme, globex, shop, enabled):
    with pytest.raises(NotComplete):
        finalize(acme, now=datetime(2026, 11, 3, tzinfo=UTC))
    invoice = finalize(acme)

    assert invoice.number == "INV-000001"


def test_a_draft_of_which_all_usage_was_voided_becomes_final_at_zero(acme, websockets):
    late_usage_of_september(acme)  # its invoice is open

    invoice = finalize(acme, month=Month(2026, 9))

    assert (invoice.status, invoice.subtotal) == ("final", usd("0.00"))


def test_a_running_month_is_refused(acme, enabled):
    with pytest.raises(MonthNotOver):
        draft(acme, now=MID_OCTOBER)

    assert Invoice.objects.count() == 0


def edge_behind():
    return Edge.objects.create(
        name="edge-9",
        digest="x",
        created_at=SEPTEMBER,
        last_seen_at=MID_OCTOBER,
        reported_at=MID_OCTOBER,
    )


def dispute(acme, shop):
    return UsageDispute.objects.create(
        kind="connection",
        record_id="a.b.3",
        month="2026-10",
        service=shop.pk,
        account_id=acme.pk,
        edge="edge-1",
        reason="start",
        reported={},
        found_at=MID_OCTOBER,
        last_found_at=MID_OCTOBER,
    )


def test_an_invoice_waits_for_edges_and_disputes_and_names_them(acme, shop, enabled):
    edge_behind()
    dispute(acme, shop)

    with pytest.raises(NotComplete) as refused:
        finalize(acme)

    assert refused.value.code == "not_complete"
    named = " ".join(refused.value.details)
    assert "edge-9" in named
    assert "a.b.3" in named
    assert Invoice.objects.count() == 0


def test_a_person_can_override_what_is_missing_with_a_reason(ada, acme, shop, enabled):
    edge_behind()

    invoice = finalize_invoice(
        ada,
        account=acme,
        month=OCTOBER,
        now=CLOSED,
        override_reason="The edge is broken.",
    )

    assert invoice.override_reason == "The edge is broken."
    assert invoice.finalized_by == ada.words


def test_a_draft_is_computed_again_until_it_is_final(acme, shop, enabled):
    refresh_bill(acme, now=MID_OCTOBER)
    opened = open_invoice(acme.pk, OCTOBER)
    connection_usage(shop, MID_OCTOBER, 10_000_000)
    drafted = draft(acme, now=datetime(2026, 11, 1, tzinfo=UTC))
    connection_usage(shop, MID_OCTOBER, 5_000_000, name="late")
    final = finalize(acme)

    assert opened.status == "open"
    assert opened.pk == drafted.pk == final.pk
    assert drafted.subtotal < final.subtotal
    assert list(posted_invoices(acme.pk)) == [final]


def test_v20_late_usage_is_rated_in_its_own_month_and_billed_with_the_next(
    acme, shop, enabled
):
    many_minutes(shop, 9_900_000, "on.time")
    october = finalize(acme)
    many_minutes(shop, 300_000, "late.by")

    found = correct(acme)
    again = correct(acme)
    november = finalize(acme, now=datetime(2026, 12, 4, tzinfo=UTC), month=NOVEMBER)

    assert october.subtotal == usd("5.94")
    assert (found, again) == (True, False)
    assert lines(november) == [("adjustment", 300_000, 160_000)]
    assert Adjustment.objects.get().billed_on == november
    assert "usage.received_late" in noted(acme.pk)
    assert invoice_check(november, CLOSED) == InvoiceCheck()


def test_v21_a_correction_downwards_is_a_credit_note_that_the_next_invoice_uses(
    acme, shop, enabled
):
    many_minutes(shop, 9_400_000, "right")
    many_minutes(shop, 500_000, "wrong")
    finalize(acme)
    ConnectionUsage.objects.filter(connection_id__startswith="wrong").delete()

    correct(acme)
    again = correct(acme)

    note = CreditNote.objects.get()
    assert (note.number, note.amount_micros, note.quantity) == (
        "CN-000001",
        300_000,
        500_000,
    )
    assert not again
    assert balance(acme.pk, "USD") == usd("0.30")
    assert noted(acme.pk)[-1] == "credit_note.issued"


def test_a_final_invoice_follows_voided_usage_with_a_credit_note(
    ada, acme, shop, enabled
):
    reporting_edge(CLOSED)
    many_minutes(shop, 500_000, "all")
    rebuild_usage(now=CLOSED - timedelta(hours=1))
    finalize(acme)

    void_usage(
        ada,
        period=EdgeTime("edge-1", MID_OCTOBER, MID_OCTOBER + timedelta(days=1)),
        reason="Its credential was stolen.",
        now=CLOSED,
    )
    rebuild_stale_periods(now=CLOSED + timedelta(hours=6))
    close_due_months(CLOSED + timedelta(hours=6))

    note = CreditNote.objects.get()
    assert (note.amount_micros, note.quantity) == (300_000, 500_000)
    assert balance(acme.pk, "USD") == usd("0.30")


def late_usage_of_september(acme):
    """Save late usage of an invoice; no other invoice bills it yet."""
    september = Invoice.objects.create(
        account=acme,
        month="2026-09",
        starts_at=SEPTEMBER,
        ends_at=OCTOBER.starts_at("UTC"),
        zone="UTC",
        currency="USD",
        counted_at=SEPTEMBER,
    )
    return Adjustment.objects.create(
        corrects=september,
        product_id="websockets",
        meter="connection_time",
        quantity=1_000_000,
        amount_micros=600_000,
        found_at=MID_OCTOBER,
    )


def test_a_month_takes_no_correction_35_days_after_its_end(acme, enabled):
    finalize(acme)

    with pytest.raises(TooLate):
        correct(acme, now=CLOSED + timedelta(days=40))


def test_credits_are_used_soonest_expiry_first_and_never_below_zero(
    ada, acme, shop, enabled
):
    many_minutes(shop, 1_000_000, "a")
    for amount, expires_on in (("0.20", date(2026, 11, 30)), ("1.00", None)):
        grant_credit(
            ada,
            account=acme,
            amount=usd(amount),
            reason="Sorry",
            expires_on=expires_on,
            now=MID_OCTOBER,
        )

    invoice = finalize(acme)

    assert (invoice.subtotal, invoice.credits, invoice.due) == (
        usd("0.60"),
        usd("0.60"),
        usd("0.00"),
    )
    assert [each.amount_micros for each in invoice.credit_entries.order_by("pk")] == [
        -200_000,
        -400_000,
    ]
    assert balance(acme.pk, "USD") == usd("0.60")
    assert noted(acme.pk)[-3:] == ["invoice.finalized", "credit.used", "credit.used"]


def test_a_voided_invoice_returns_its_credits_and_the_month_is_invoiced_again(
    ada, acme, shop, enabled
):
    many_minutes(shop, 1_000_000, "a")
    grant_credit(ada, account=acme, amount=usd("1"), reason="Sorry", now=MID_OCTOBER)
    first = finalize(acme)

    void_invoice(ada, invoice=first, reason="Wrong buyer", now=CLOSED)
    left = balance(acme.pk, "USD")
    second = finalize(acme)

    assert left == usd("1.00")
    assert (second.number, second.due) == ("INV-000002", usd("0.00"))


def test_a_credit_larger_than_any_invoice_is_refused(ada, acme):
    with pytest.raises(Invalid) as refused:
        grant_credit(
            ada, account=acme, amount=Money(2**53, "USD"), reason="Much", now=CLOSED
        )

    assert refused.value.field == "amount"
    assert noted(acme.pk) == []


@pytest.mark.parametrize(
    ("amount", "currency"), [("0.5", "JPY"), ("0.005", "USD"), ("0.0005", "KWD")]
)
def test_a_credit_finer_than_its_currency_is_refused(ada, acme, amount, currency):
    with pytest.raises(Invalid) as refused:
        grant_credit(
            ada,
            account=acme,
            amount=Money.of(amount, currency),
            reason="Sorry",
            now=CLOSED,
        )

    assert refused.value.field == "amount"
    assert not Credit.objects.exists()


def test_an_expired_credit_is_not_used_and_leaves_the_balance(ada, acme, shop, enabled):
    many_minutes(shop, 1_000_000, "a")
    grant_credit(
        ada,
        account=acme,
        amount=usd("1"),
        reason="Sorry",
        expires_on=date(2026, 10, 30),
        now=MID_OCTOBER,
    )

    invoice = finalize(acme)
    expire_credits(JOB, account=acme, now=CLOSED)
    expire_credits(JOB, account=acme, now=CLOSED)

    assert invoice.due == usd("0.60")
    assert balance(acme.pk, "USD") == usd("0.00")
    assert noted(acme.pk).count("credit.expired") == 1


def test_a_credit_that_expires_with_a_month_is_used_for_it_also_if_it_is_closed_late(
    ada, acme, shop, enabled
):
    many_minutes(shop, 1_000_000, "a")
    grant_credit(
        ada,
        account=acme,
        amount=usd("1"),
        reason="Sorry",
        expires_on=date(2026, 10, 31),
        now=MID_OCTOBER,
    )
    opened = dispute(acme, shop)
    december = datetime(2026, 12, 2, tzinfo=UTC)
    close_due_months(CLOSED)
    close_due_months(december)
    before = balance(acme.pk, "USD")
    opened.delete()

    close_due_months(december)

    invoice = Invoice.objects.get(month="2026-10")
    assert before == usd("1.00")
    assert (invoice.status, invoice.due) == ("final", usd("0.00"))
    assert balance(acme.pk, "USD") == usd("0.00")
    assert noted(acme.pk)[-1] == "credit.expired"


def test_v14_usage_while_connections_drain_is_billed(sam, acme, shop, enabled):
    at = datetime(2026, 10, 20, 10, tzinfo=UTC)
    disable(sam, account=acme, product=enabled.product, drain_mode="drain", now=at)
    enabled.refresh_from_db()
    connection_usage(shop, at - timedelta(seconds=45), 90)

    [line] = finalize(acme).lines.all()

    assert enabled.drain_until == at + timedelta(seconds=60)
    assert line.quantity == 2


def test_the_commands_close_a_month_and_check_its_invoice(acme, shop, enabled, capsys):
    connection_usage(shop, MID_OCTOBER, 1_000)

    call_command("close_month", "2026-10", now="2026-11-01T00:00:00Z")
    call_command("close_month", "2026-10", finalize=True, now="2026-11-04T00:00:00Z")
    call_command("check_invoice", "INV-000001")

    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("1/1 Acme: draft of 2026-10, 0.00 USD")
    assert printed[1].startswith("1/1 Acme: final invoice INV-000001")
    assert printed[2] == "INV-000001: all 1 lines match their usage records."


def test_the_connections_of_a_line_are_read_in_the_order_of_their_key_by_short_queries(
    acme, globex, shop, enabled, monkeypatch
):
    monkeypatch.setattr(usage, "KEYS_PER_QUERY", 2)
    other = ServiceFactory.create(account=globex)
    for name in ("b", "a", "d", "c", "e"):
        connection_usage(shop, MID_OCTOBER, 1, name=name)
        connection_usage(other, MID_OCTOBER, 1)
    connection_usage(shop, MID_OCTOBER, 60 * 24 * 20, name="d", month="2026-11")
    [line, *_] = finalize(acme).lines.filter(meter="connection_time")

    read = connections_of(line)
    found = [next(read).connection_id]
    # A row that is reported meanwhile takes the place of none that is not read yet.
    connection_usage(shop, MID_OCTOBER, 60 * 24 * 20, name="e", month="2026-11")
    found += [each.connection_id for each in read]

    assert found == ["b", "a", "c", "e", "d"]


def test_check_invoice_says_what_differs(acme, shop, enabled, capsys):
    many_minutes(shop, 1_000_000, "all")
    finalize(acme)
    ConnectionUsage.objects.update(duration_us=1)

    with pytest.raises(CommandError):
        call_command("check_invoice", "INV-000001")

    assert "Line 1: the amount is 600000; computed: 0." in capsys.readouterr().out


def test_check_invoice_says_that_late_usage_changed_no_amount(
    acme, shop, enabled, capsys
):
    connection_usage(shop, MID_OCTOBER, 1_000)
    finalize(acme)
    connection_usage(shop, MID_OCTOBER, 1, name="late")

    call_command("check_invoice", "INV-000001")

    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "Line 1: the quantity is 1000; computed: 1001."
    assert printed[-1] == (
        "INV-000001: its usage changed after it became final, but no amount differs."
    )


def test_check_invoice_adds_the_corrections_of_an_invoice(acme, shop, enabled, capsys):
    many_minutes(shop, 1_000_000, "right")
    many_minutes(shop, 500_000, "wrong")
    finalize(acme)
    many_minutes(shop, 100_000, "late")
    correct(acme)
    ConnectionUsage.objects.filter(connection_id__startswith="wrong").delete()
    correct(acme)

    call_command("check_invoice", "INV-000001")
    printed = capsys.readouterr().out
    ConnectionUsage.objects.filter(connection_id__startswith="late").delete()
    with pytest.raises(CommandError):
        call_command("check_invoice", "INV-000001")

    assert printed == (
        "INV-000001: all 1 lines with late usage and CN-000001 match their usage records.\n"
    )
    assert capsys.readouterr().out == (
        "websockets, connection_time: its usage costs -0.06 USD more than its lines, "
        "adjustments and credit notes.\n"
    )


def test_close_month_says_that_there_is_nothing_to_bill(acme, capsys):
    call_command("close_month", "2026-10", now="2026-11-04T00:00:00Z")

    printed = capsys.readouterr().out
    assert printed == "No account has anything to bill in 2026-10.\n"


def test_check_invoice_asks_for_a_number(acme, enabled):
    refresh_bill(acme, now=MID_OCTOBER)

    with pytest.raises(CommandError, match="such as INV-000001"):
        call_command("check_invoice", "2026-10")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["2027-10"], "1 of 1 accounts were refused"),  # in the future
        (["2026-10", "--finalize"], "1 of 1 accounts were refused"),  # edges, disputes
    ],
)
def test_a_refused_close_says_why_and_leaves_nothing(
    acme, shop, enabled, capsys, arguments, reason
):
    edge_behind()
    dispute(acme, shop)
    connection_usage(shop, MID_OCTOBER, 1_000)
    entries = noted(acme.pk)

    with pytest.raises(CommandError, match=reason):
        call_command("close_month", *arguments, now=CLOSED.isoformat())

    printed = capsys.readouterr().out
    assert "is not over yet" in printed or ("edge-9" in printed and "a.b.3" in printed)
    assert not Invoice.objects.exists()
    assert not NumberSeries.objects.exists()
    assert noted(acme.pk) == entries


def test_close_month_needs_finalize_to_make_invoices_final(acme, enabled):
    with pytest.raises(CommandError, match="Add --finalize"):
        call_command(
            *("close_month", "2026-10", "--override", "Now", "--now"),
            CLOSED.isoformat(),
        )

    assert not Invoice.objects.exists()


def test_the_sweep_finds_late_usage_of_an_account_without_a_product(acme, websockets):
    adjustment = late_usage_of_september(acme)

    close_due_months(CLOSED)  # drafts
    close_due_months(CLOSED)

    adjustment.refresh_from_db()
    assert adjustment.billed_on.month == "2026-10"


def test_the_command_closes_no_month_in_the_future_in_production(settings, enabled):
    settings.PRODUCTION = True

    with pytest.raises(CommandError, match="has passed"):
        call_command("close_month", "2026-10", now="2199-01-01")

    assert not Invoice.objects.exists()


def test_the_time_of_the_command_can_be_of_any_zone(enabled):
    call_command("close_month", "2026-10", finalize=True, now="2026-11-05T01:00+09:00")

    assert Invoice.objects.get().finalized_at == CLOSED.replace(hour=16)


@pytest.mark.parametrize(
    "arguments",
    [["2026-13"], ["2026-10", "--account", "x"], ["2026-10", "--now", "noon"]],
)
def test_impossible_arguments_are_refused(arguments, enabled):
    with pytest.raises(CommandError):
        call_command("close_month", *arguments)


def test_the_sweep_makes_an_invoice_final_that_waited_for_months(acme, shop, enabled):
    connection_usage(shop, MID_OCTOBER, 60)
    opened = dispute(acme, shop)
    close_due_months(CLOSED)
    february = datetime(2027, 2, 5, tzinfo=UTC)
    close_due_months(february)
    waiting = Invoice.objects.get(month="2026-10")
    later = Invoice.objects.get(month="2027-01")
    opened.delete()

    close_due_months(february)

    assert (waiting.status, later.status) == ("draft", "draft")
    assert Invoice.objects.get(month="2026-10").status == "final"


def test_the_sweep_finds_an_invoice_that_waits_without_later_usage(acme, websockets):
    Invoice.objects.create(
        account=acme,
        month="2026-08",
        starts_at=datetime(2026, 8, 1, tzinfo=UTC),
        ends_at=SEPTEMBER,
        zone="UTC",
        currency="USD",
        counted_at=SEPTEMBER,
    )

    assert list(accounts_to_bill(OCTOBER)) == [acme]


def test_the_sweep_keeps_the_running_bill(acme, shop, enabled):
    assert refresh_bills(MID_OCTOBER) == 1
    assert open_invoice(acme.pk, OCTOBER).counted_at == MID_OCTOBER


def test_a_month_that_cannot_be_invoiced_is_stuck_until_it_can(
    acme, shop, enabled, staff
):
    connection_usage(shop, MID_OCTOBER, 90)
    rebuild_usage(now=CLOSED)
    contract = Contract.objects.create(
        account=acme, from_month="2026-10", currency="EUR", assigned_at=CLOSED
    )
    page = reverse("admin:accounts_account_change", args=[acme.pk])

    close_due_months(CLOSED)
    close_due_months(CLOSED + timedelta(hours=1))

    [mark] = UninvoicedMonth.objects.all()
    assert (mark.account, mark.month, mark.since) == (acme, "2026-10", CLOSED)
    why = "No invoice for October 2026 Acme is billed in EUR, but these products have"
    assert why in text_of(staff.get(page))

    contract.delete()
    assert "It can be invoiced now." in text_of(staff.get(page))
    close_due_months(CLOSED + timedelta(hours=2))

    assert UninvoicedMonth.objects.count() == 0
    assert "No invoice for" not in text_of(staff.get(page))


def test_a_month_whose_only_charge_is_a_fee_is_stuck_too(acme, enabled, staff):
    Contract.objects.create(
        account=acme, from_month="2026-10", currency="EUR", assigned_at=CLOSED
    )

    close_due_months(CLOSED)

    assert UsagePeriod.objects.count() == 0
    assert UninvoicedMonth.objects.get().month == "2026-10"


def test_staff_draft_the_invoice_of_a_month_too_long_ago_for_the_sweep(
    acme, shop, enabled, staff
):
    connection_usage(shop, MID_OCTOBER, 90)
    mark = UninvoicedMonth.objects.create(account=acme, month="2026-10", since=CLOSED)
    page = reverse("admin:billing_uninvoicedmonth_change", args=[mark.pk])
    draft = reverse("admin:billing_uninvoiced_draft", args=[mark.pk])
    assert "Reason: It can be invoiced now." in text_of(staff.get(page))
    assert draft in staff.get(page).text

    answer = staff.post(draft, {"csrfmiddlewaretoken": "sent by browsers"})

    invoice = Invoice.objects.get()
    assert answer.url == reverse("admin:billing_uninvoicedmonth_changelist")
    assert (invoice.month, invoice.status) == ("2026-10", "draft")
    assert UninvoicedMonth.objects.count() == 0
