"""`/api/v1/domain-claims`."""

import json

import pytest

from products.domains.models import ActiveDomain, DomainClaim
from products.domains.verification import proof_of
from tests.factories.domains import claimed, pending
from tests.factories.keys import key_of
from tests.factories.name_server import name_server

URL = "/api/v1/domain-claims"


@pytest.fixture(autouse=True)
def dns(settings):
    """Verify by DNS, with a name server that has no records."""
    with name_server() as server:
        settings.DOMAIN_VERIFICATION = "dns"
        settings.DNS_SERVERS = [server.address]
        yield server


@pytest.fixture
def call(client, eve):
    """Return a function that calls the API as Eve."""
    key = key_of(eve)

    def request(method, path="", **body):
        return client.generic(
            method,
            path if path.startswith("http") else f"{URL}{path}",
            data=json.dumps(body) if body else b"",
            content_type="application/json",
            HTTP_FASTLY_KEY=key,
        )

    return request


def test_a_claim_is_made_verified_and_released(call, dns):
    made = call("POST", name="acme.com")
    claim = made.json()
    assert made.status_code == 201
    assert (claim["name"], claim["state"]) == ("acme.com", "pending")
    assert claim["verified_at"] is None

    refused = call("POST", f"/{claim['id']}/verify")
    assert refused.status_code == 409
    assert refused.json()["code"] == "proof_not_found"
    assert "no TXT record" in refused.json()["detail"]

    record = claim["proof"]["dns"]
    dns.records[record["name"]] = [record["value"]]
    verified = call("POST", f"/{claim['id']}/verify")
    assert (verified.status_code, verified.json()["state"]) == (200, "verified")
    assert call("GET", f"/{claim['id']}").json() == verified.json()

    assert call("DELETE", f"/{claim['id']}").status_code == 204
    assert call("GET", f"/{claim['id']}").status_code == 404


@pytest.mark.parametrize("mode, has_http", [("dns", False), ("http", True)])
def test_the_proof_by_http_is_null_unless_it_is_accepted(
    call, settings, mode, has_http
):
    settings.DOMAIN_VERIFICATION = mode
    claim = call("POST", name="acme.com").json()

    token = DomainClaim.objects.get().token
    proof = proof_of("acme.com", token)
    expected = {"url": proof.http_url, "body": proof.http_body} if has_http else None
    assert claim["proof"]["http"] == expected


def test_claiming_twice_answers_with_the_same_claim(call):
    first, again = (call("POST", name="acme.com") for _ in range(2))

    assert first.json() == again.json()


@pytest.mark.parametrize(
    "name, status, code",
    [("com", 400, "invalid"), ("eu.globex.com", 409, "domain_taken")],
)
def test_a_name_that_cannot_be_claimed_is_refused(call, globex, name, status, code):
    claimed(globex, "globex.com")

    answer = call("POST", name=name)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_claim_in_use_is_kept(call, acme, shop):
    claim = claimed(acme, "acme.com")
    ActiveDomain.objects.create(service=shop, name="acme.com")

    answer = call("DELETE", f"/{claim.pk}")

    assert (answer.status_code, answer.json()["code"]) == (409, "domain_in_use")


def test_the_list_is_paged_by_name_and_searched(call, acme, globex):
    for name in ("b.com", "a.com", "c.org"):
        pending(acme, name)
    claimed(globex, "globex.com")

    first = call("GET", "?limit=2").json()
    second = call("GET", first["meta"]["next"]).json()
    found = call("GET", "?search=org").json()

    listed = [
        [each["name"] for each in page["data"]] for page in (first, second, found)
    ]
    assert listed == [["a.com", "b.com"], ["c.org"], ["c.org"]]
    assert second["meta"]["next"] == ""


def test_another_accounts_claim_is_not_found(call, globex):
    claim = claimed(globex, "globex.com")

    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/verify")):
        assert call(method, f"/{claim.pk}{path}").status_code == 404
