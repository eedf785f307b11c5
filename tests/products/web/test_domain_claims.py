"""The pages of domain claims."""

from datetime import timedelta

import pytest
from django.urls import reverse

from products.domains.models import ActiveDomain, DomainClaim
from products.domains.verification import proof_of
from tests.factories import NOW
from tests.factories.domains import claimed, pending
from tests.factories.services import ServiceFactory
from tests.products.web.conftest import actions_of, queries_of, text_of

PAGE = "/domains/"


def page_of(claim):
    return reverse("domain", args=[claim.pk])


def test_without_claims_the_page_says_what_they_are(browser, eve):
    text = text_of(browser(eve).get(PAGE))

    assert "No domains yet" in text
    assert "Claim a domain" in text


def test_a_claim_leads_to_its_record_as_text_that_can_be_selected(
    browser, eve, acme, dns
):
    client = browser(eve)

    answer = client.post(PAGE, {"name": "acme.com"}, follow=True)

    claim = DomainClaim.objects.get()
    proof = proof_of("acme.com", claim.token)
    assert answer.redirect_chain == [(page_of(claim), 303)]
    html = answer.content.decode()
    for value in (proof.dns_name, proof.dns_value):
        assert f'<code class="id">{value}</code>' in html
        assert f'data-copy="{value}"' in html
    assert proof.http_url not in html


def test_the_http_token_is_shown_if_it_is_accepted(browser, eve, acme, settings):
    settings.DOMAIN_VERIFICATION = "http"
    claim = pending(acme, "acme.com")

    html = browser(eve).get(page_of(claim)).content.decode()

    assert proof_of("acme.com", claim.token).http_url in html


def test_verifying_says_what_was_found(browser, eve, acme, dns):
    claim = pending(acme, "acme.com")

    answer = browser(eve).post(page_of(claim))

    assert answer.status_code == 409
    assert "has no TXT record" in text_of(answer)


def test_verifying_with_the_record_succeeds(browser, eve, acme, dns):
    claim = pending(acme, "acme.com")
    proof = proof_of("acme.com", claim.token)
    dns.records[proof.dns_name] = [proof.dns_value]

    answer = browser(eve).post(page_of(claim), follow=True)

    assert answer.redirect_chain == [(page_of(claim), 303)]
    assert actions_of(acme) == ["domain_claim.verified"]


@pytest.mark.parametrize(
    "name, status", [("com", 400), ("", 400), ("shop.globex.com", 409)]
)
def test_a_refused_claim_keeps_what_was_typed(
    browser, eve, acme, globex, dns, name, status
):
    claimed(globex, "globex.com")

    answer = browser(eve).post(PAGE, {"name": name})

    assert answer.status_code == status
    assert f'value="{name}"' in answer.content.decode() or not name
    assert not DomainClaim.objects.filter(account=acme).exists()


def test_the_list_is_searched_and_filtered(browser, eve, acme, globex):
    for name in ("a.com", "b.com", "c.com", "shop.org"):
        claimed(acme, name)
    claimed(globex, "globex.com")
    client = browser(eve)

    assert names(client.get(PAGE)) == ["a.com", "b.com", "c.com", "shop.org"]
    assert names(client.get(PAGE, {"q": "SHOP"})) == ["shop.org"]
    assert names(client.get(PAGE, {"state": "verified", "q": "b"})) == ["b.com"]
    assert names(client.get(PAGE, {"state": "lost"})) == []
    assert "No claim matches" in text_of(client.get(PAGE, {"q": "nothing"}))


def test_the_newest_claims_come_first_on_demand(browser, eve, acme):
    for day, name in enumerate(("b.com", "a.com", "c.com")):
        claimed(acme, name, requested_at=NOW + timedelta(days=day))

    assert names(browser(eve).get(PAGE, {"sort": "new"})) == ["c.com", "a.com", "b.com"]


def names(page):
    return [each["claim"].name for each in page.context["claims"]]


def test_the_list_costs_the_same_queries_for_any_number_of_claims(browser, eve, acme):
    claimed(acme, "a.com")
    client = browser(eve)
    before = queries_of(client, PAGE)
    for number in range(20):
        claimed(acme, f"acme{number}.com")

    assert queries_of(client, PAGE) == before


def test_the_editor_can_link_to_a_claim_of_a_name(browser, eve):
    answer = browser(eve).get(PAGE, {"claim": "acme.com"})

    assert 'value="acme.com"' in answer.content.decode()


def test_who_may_not_claim_reads_why(browser, una, acme):
    claim = pending(acme, "acme.com")
    client = browser(una)

    for page in (PAGE, page_of(claim), reverse("release_domain", args=[claim.pk])):
        answer = client.get(page)
        assert answer.status_code == 200
        assert "Engineers and superusers can claim and verify domains" in text_of(
            answer
        )


def test_a_claim_in_use_is_not_released(browser, eve, acme, shop):
    claim = claimed(acme, "acme.com")
    ActiveDomain.objects.create(service=shop, name="shop.acme.com")
    client = browser(eve)

    assert "shop.acme.com" in text_of(client.get(page_of(claim)))
    answer = client.post(reverse("release_domain", args=[claim.pk]))

    assert answer.status_code == 409
    assert DomainClaim.objects.exists()


def test_domains_lead_to_their_services_and_the_first_twenty_are_listed(
    browser, eve, acme, shop
):
    claim = claimed(acme, "acme.com")
    for number in range(21):
        ActiveDomain.objects.create(service=shop, name=f"s{number:02}.acme.com")

    page = browser(eve).get(page_of(claim))

    assert page.content.count(reverse("service", args=[shop.pk]).encode()) == 20
    assert "1 more, in services with this domain" in text_of(page)
    assert b'href="/services/?q=acme.com"' in page.content


def test_domains_of_services_that_one_cannot_see_are_only_counted(
    browser, lin, acme, shop
):
    claim = claimed(acme, "acme.com")
    hidden = ServiceFactory.create(account=acme)
    for service, name in ((shop, "shop.acme.com"), (hidden, "hidden.acme.com")):
        ActiveDomain.objects.create(service=service, name=name)

    shown = text_of(browser(lin).get(page_of(claim)))

    assert "shop.acme.com" in shown
    assert "hidden.acme.com" not in shown
    assert "1 domain of services that you can't see" in shown


def test_a_released_claim_is_gone(browser, eve, acme):
    claim = claimed(acme, "acme.com")

    answer = browser(eve).post(reverse("release_domain", args=[claim.pk]))

    assert (answer.status_code, answer.url) == (303, PAGE)
    assert not DomainClaim.objects.exists()


def test_a_lost_claim_can_be_made_again(browser, eve, acme, dns):
    claim = claimed(acme, "acme.com", state="lost", lost_at=None, lost_reason="Sold")
    client = browser(eve)
    assert "Sold" in text_of(client.get(page_of(claim)))

    client.post(PAGE, {"name": "acme.com"})

    claim.refresh_from_db()
    assert claim.state == "pending"


def test_the_editor_says_that_a_domain_is_not_verified_with_a_link(
    browser, eve, draft, dns
):
    page = reverse(
        "edit_part", args=[draft.service_id, 1, "domain", "echo.example.com"]
    )
    for address in (page, reverse("version", args=[draft.service_id, 1])):
        answer = browser(eve).get(address)

        assert "echo.example.com is not verified" in text_of(answer)
        assert 'href="/domains/?claim=example.com"' in answer.content.decode()
