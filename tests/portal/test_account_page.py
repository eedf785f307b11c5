"""The admin's page of an account: what belongs to it, and what staff can do from there."""

import re
from datetime import timedelta
from html import unescape

import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.commands.invitations import invite, revoke_invitation
from accounts.commands.mail import queue_mail
from accounts.commands.tokens import issue_token
from accounts.roles import Role
from products.billing.commands.running import refresh_bill
from products.catalogue.models import Product
from products.enablement.commands import assign_package, request_product
from products.enablement.queries import current
from tests.factories import NOW
from tests.factories.accounts import member
from tests.factories.domains import claimed
from tests.factories.services import ServiceFactory
from tests.factories.usage import connection_usage
from tests.factories.webhooks import WebhookFactory
from tests.products.web.conftest import text_of

LINK = re.compile(r'<a[^>]*href="([^"]*)"[^>]*>\s*([^<]*?)\s*</a>')
ROW = re.compile(r"<tr>(.*?)</tr>", re.DOTALL)


def page_of(account):
    return reverse("admin:accounts_account_change", args=[account.pk])


def links(answer, words):
    """Return the addresses of the links with some words."""
    found = LINK.findall(answer.content.decode())
    return [unescape(url) for url, label in found if label == words]


def test_the_page_shows_what_belongs_to_the_account(
    acme, sam, lin, ada, staff, switched_on, ngwaf, now
):
    request_product(lin, account=acme, product=ngwaf, now=now)
    invite(sam, account=acme, email="new@acme.example", role="user", now=now)
    claimed(acme, "acme.org")
    plan = ngwaf.plans.get(kind="package")
    assign_package(ada, account=acme, plan=plan, now=now)

    text = text_of(staff.get(page_of(acme)))

    for words in (
        "enabled (direct) on 22 Nov 2026, 12:00 UTC Sam WebSockets standard version 1 1",
        "Next-Gen WAF enabled (package)",
        "Next-Gen WAF Lin 22 Nov 2026, 12:00 UTC",
        "engineer shop (full) none never",
        "1 open invitation : new@acme.example as user",
        f"echo {switched_on.pk} VCL none WebSockets",
        "acme.org (verified)",
        "Chain intact : ",
        "Lin requested Next-Gen WAF",
        "Never enabled: Fanout",
        "Invitation to Acme new@acme.example",
    ):
        assert words in text, words


@time_machine.travel(NOW + timedelta(hours=1))
def test_a_bill_that_rounds_to_zero_is_not_said_to_be_zero(
    acme, shop, ada, browser, enabled
):
    at = timezone.now()
    connection_usage(shop, at - timedelta(minutes=9), 4, month=f"{at:%Y-%m}")
    refresh_bill(acme, now=at)

    text = text_of(browser(ada).get(page_of(acme)))

    assert "Bill so far less than 0.01 USD" in text


def test_an_email_is_not_awaited_that_is_never_sent(acme, sam, staff, now):
    invitation = invite(
        sam, account=acme, email="new@acme.example", role="user", now=now
    )
    waiting = "Invitation to Acme new@acme.example 22 Nov 2026, 12:00 UTC"
    assert f"{waiting} not yet" in text_of(staff.get(page_of(acme)))

    revoke_invitation(sam, invitation=invitation, now=now)

    assert f"{waiting} no longer needed" in text_of(staff.get(page_of(acme)))


def test_what_happened_is_not_hidden_by_what_staff_viewed(acme, staff, enabled):
    for _ in range(12):
        staff.get(page_of(acme))

    page = staff.get(page_of(acme))
    [entries] = links(page, "All entries")
    assert "viewed the account" not in text_of(page)
    assert "Sam enabled WebSockets" in text_of(page)
    assert "viewed the account" in text_of(staff.get(entries))


def test_staff_find_who_enabled_a_product_in_three_clicks_from_the_name(
    acme, staff, enabled
):
    accounts = links(staff.get("/admin/"), "Accounts")[-1]
    [account] = links(staff.get(f"{accounts}?q=acm"), "Acme")
    page = staff.get(account)
    [enablement] = links(page, "enabled (direct)")
    detail = text_of(staff.get(enablement))

    row = next(row for row in ROW.findall(page.content.decode()) if "Sam" in row)
    assert ">WebSockets<" in row
    assert "Started by: Sam" in detail
    assert "I understand that enabling WebSockets changes the monthly bill" in detail


def test_the_actions_start_from_the_account(acme, staff, ngwaf):
    plan = ngwaf.plans.get(kind="package")
    [assign] = links(staff.get(page_of(acme)), "Assign a package…")
    answer = staff.post(assign, {"plan": plan.pk})
    assert answer.url == page_of(acme)
    [remove] = links(staff.get(page_of(acme)), "Remove…")
    answer = staff.post(remove, {"reason": "Ended."})

    assert answer.url == page_of(acme)
    assert current(acme.pk, "ngwaf") is None


def test_every_link_of_the_page_leads_somewhere(
    acme, ada, sam, staff, switched_on, draft, ngwaf, now
):
    assign_package(ada, account=acme, plan=ngwaf.plans.get(kind="package"), now=now)
    bots = Product.objects.get(pk="bot_management")
    request_product(sam, account=acme, product=bots, now=now)
    claimed(acme, "acme.org")
    page = staff.get(page_of(acme)).content.decode()
    main = page[page.index('id="content-main"') :]

    addresses = {unescape(url) for url, _ in LINK.findall(main) if url[0] == "/"}

    assert len(addresses) > 20
    assert {url: staff.get(url).status_code for url in addresses} == dict.fromkeys(
        addresses, 200
    )


def test_long_tables_end_with_a_link_to_the_rest_and_cost_the_same_queries(
    acme, staff, sam
):
    with CaptureQueriesContext(connection) as few:
        staff.get(page_of(acme))
    for number in range(12):
        member(acme, f"Person {number:02}", Role.USER)
        ServiceFactory.create(account=acme)
        queue_mail(account=acme, to="a@example.com", subject="A", body="A", now=NOW)

    with CaptureQueriesContext(connection) as many:
        page = staff.get(page_of(acme))

    assert len(many) <= len(few)
    [people] = links(page, "All 13 members")
    [services] = links(page, "All 12 services")
    assert text_of(staff.get(people)).count("Person ") == 12
    assert "12 services" in text_of(staff.get(services))


def test_the_page_leads_to_tokens_and_to_webhooks_with_their_state(
    acme, sam, staff, now
):
    issued = issue_token(
        sam,
        name="deploy",
        scope="global",
        services=(),
        expires_at=now + timedelta(days=30),
        now=now,
    )
    WebhookFactory.create(account=acme, url="https://example.com/good")
    paused = WebhookFactory.create(
        account=acme,
        url="https://example.com/paused",
        paused_at=now,
        pause_reason="It failed for 3 days.",
    )

    page = staff.get(page_of(acme))

    [token] = links(page, "Sam (deploy)")
    [webhook] = links(page, paused.url)
    deliveries = [url for url in links(page, "Deliveries") if "?q=" in url]
    assert "Name: deploy" in text_of(staff.get(token))
    assert "deploy" in text_of(staff.get(links(page, "All API tokens")[0]))
    assert "State: paused" in text_of(staff.get(webhook))
    assert "paused paused: It failed for 3 days." in text_of(page)
    assert [staff.get(url).status_code for url in deliveries] == [200, 200]
    assert deliveries[0].endswith(paused.pk)
    assert issued.secret not in page.content.decode()


def test_a_suspended_account_says_since_when_and_why(acme, staff, now):
    acme.suspended_at, acme.suspension_reason = now, "Unpaid."
    acme.save()

    page = staff.get(page_of(acme))

    assert "Suspended since 22 Nov 2026, 12:00 UTC: Unpaid." in text_of(page)
    assert (len(links(page, "Resume…")), len(links(page, "Suspend…"))) == (1, 0)
