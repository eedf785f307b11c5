"""What was agreed to, shown again exactly, to those who see costs (R5, R20)."""

import json
from datetime import timedelta

import pytest

from products.enablement import triggers
from products.enablement.commands import disable, enable
from products.enablement.models import Enablement
from tests.factories.unguarded import unguarded
from tests.factories.world import agreed
from tests.products.web.conftest import queries_of, text_of


def test_a_superuser_and_billing_read_the_agreement_word_for_word(
    browser, sam, bo, enabled
):
    for person in (sam, bo):
        client = browser(person)
        listed = text_of(client.get("/billing/agreements/"))
        page = text_of(client.get(f"/billing/agreements/{enabled.pk}/"))

        assert "Purchase" in listed
        assert enabled.agreed_text in page
        assert enabled.agreed_text_hash in page
        assert enabled.agreed_record_hash in page
        assert "Price version 1, per million connection minutes" in page
        assert "give exactly these hashes" in page


def test_the_record_holds_the_terms_as_data(enabled, websockets, acme):
    record = json.loads(enabled.agreed_record)

    price = enabled.price_version
    assert record["kind"] == "direct"
    assert record["product"] == {"id": "websockets", "name": "WebSockets"}
    assert record["account"] == {"id": acme.pk, "name": "Acme"}
    assert record["period"] == {
        "length": "calendar month",
        "time_zone": "UTC",
        "next_time_zones": [],
    }
    assert (record["tax"], record["locale"]) == ("before tax", "en")
    assert [each["price_version"] for each in record["prices"]] == [price.pk]
    assert record["prices"][0]["tiers"][0] == {
        "up_to": 10,
        "unit_price": "0.60",
        "range": "first 10 million",
    }


def test_the_page_says_if_the_text_was_changed(browser, sam, enabled):
    with unguarded(triggers.ENABLEMENTS):
        Enablement.objects.filter(pk=enabled.pk).update(agreed_text="Free for ever.")

    page = text_of(browser(sam).get(f"/billing/agreements/{enabled.pk}/"))

    assert "This is not what was agreed to" in page
    assert "give exactly these hashes" not in page


def test_an_account_without_agreements_reads_what_the_page_is_for(browser, sam):
    assert "There are no agreements" in text_of(
        browser(sam).get("/billing/agreements/")
    )


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 2),
        ({"q": "socket"}, 2),
        ({"q": "sam"}, 2),
        ({"q": "fanout"}, 0),
        ({"kind": "direct"}, 2),
        ({"kind": "trial"}, 0),
        ({"effect": "now"}, 1),
        ({"effect": "ended"}, 1),
    ],
    ids=str,
)
def test_the_list_is_searched_and_filtered(
    browser, sam, acme, websockets, enabled, now, query, count
):
    ended_at = now + timedelta(hours=1)
    disable(sam, account=acme, product=websockets, drain_mode="cut", now=ended_at)
    again = enable(
        sam,
        account=acme,
        product=websockets,
        agreement=agreed(acme, websockets),
        now=now + timedelta(hours=2),
    )
    client = browser(sam)

    answer = client.get("/billing/agreements/", query)
    oldest_first = client.get("/billing/agreements/", {"sort": "old"})

    assert answer.context["page"].total == count
    assert ("No agreement matches" in text_of(answer)) == (count == 0)
    ids = [each["row"].pk for each in oldest_first.context["rows"]]
    assert ids == [enabled.pk, again.pk]


@pytest.mark.parametrize("who", ["eve", "una"])
def test_those_who_see_no_costs_get_no_link_and_no_page(request, browser, enabled, who):
    client = browser(request.getfixturevalue(who))

    assert client.get(f"/billing/agreements/{enabled.pk}/").status_code == 403
    assert "What was agreed" not in text_of(client.get("/products/"))


def test_the_queries_do_not_grow_with_the_list(browser, sam, enabled):
    assert queries_of(browser(sam), "/billing/agreements/") < 25
