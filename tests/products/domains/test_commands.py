"""Claims: made, verified, refused, released, moved, ended."""

from datetime import timedelta

import pytest

from accounts.audit.models import AuditEvent
from accounts.commands.notices import make_notices
from accounts.errors import Forbidden, Invalid, LimitReached, NotFound
from accounts.models import OutgoingMail
from accounts.roles import Role
from products.domains import commands
from products.domains.commands import (
    ClaimEnded,
    NameCovered,
    NameInUse,
    NameTaken,
    ProofNotFound,
    TooManyClaims,
    claim_domain,
    move_claim,
    release_claim,
    revoke_claim,
    sweep_claims,
    verify_claim,
)
from products.domains.models import ActiveDomain, DomainClaim
from products.domains.verification import proof_of
from products.services.models import Service
from tests.factories import NOW
from tests.factories.accounts import member
from tests.factories.domains import claimed, pending
from tests.factories.name_server import name_server
from tests.factories.services import ServiceFactory

WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def dns(settings):
    """Verify by DNS, with a name server that has no records."""
    with name_server() as server:
        settings.DOMAIN_VERIFICATION = "dns"
        settings.DNS_SERVERS = [server.address]
        yield server


def publish(dns, claim: DomainClaim) -> None:
    proof = proof_of(claim.name, claim.token)
    dns.records[proof.dns_name] = [proof.dns_value]


def events(account) -> list[str]:
    rows = AuditEvent.objects.filter(
        account_id=account.pk, action__startswith="domain_claim"
    )
    return list(rows.order_by("sequence").values_list("action", flat=True))


def state_of(claim: DomainClaim) -> str:
    return DomainClaim.objects.get(pk=claim.pk).state


def active(service: Service, name: str) -> None:
    ActiveDomain.objects.create(service=service, name=name)


# Claiming


def test_a_claim_is_pending_and_has_a_proof_of_its_own(acme, globex, eve, stan):
    mine = claim_domain(eve, account=acme, name="acme.com", now=NOW)
    other = claim_domain(stan, account=globex, name="acme.com", now=NOW)

    assert (mine.state, mine.expires_at) == ("pending", NOW + WEEK)
    assert mine.token != other.token
    assert events(acme) == ["domain_claim.requested"]


def test_a_name_is_saved_in_lower_case_without_wildcard_and_last_dot(acme, eve):
    claim = claim_domain(eve, account=acme, name=" *.Shop.ACME.com. ", now=NOW)

    assert claim.name == "shop.acme.com"


def test_claiming_again_returns_the_same_claim(acme, eve):
    first = claim_domain(eve, account=acme, name="acme.com", now=NOW)
    again = claim_domain(eve, account=acme, name="acme.com", now=NOW)

    assert (again.pk, again.token) == (first.pk, first.token)
    assert events(acme) == ["domain_claim.requested"]


@pytest.mark.parametrize(
    "name", ["", "com", "localhost", "shop.test", "*.co.uk", "a b"]
)
def test_a_name_that_no_account_can_own_is_refused(acme, eve, name):
    with pytest.raises(Invalid):
        claim_domain(eve, account=acme, name=name, now=NOW)

    assert not DomainClaim.objects.exists()


def test_the_platforms_names_cannot_be_claimed(acme, eve, settings):
    settings.PLATFORM_NAMES = ["portal.tollgate.net"]
    for name in ("portal.tollgate.net", "tollgate.net", "a.portal.tollgate.net"):
        with pytest.raises(Invalid):
            claim_domain(eve, account=acme, name=name, now=NOW)


def test_a_role_without_the_permission_cannot_claim(acme, una, stan):
    with pytest.raises(Forbidden):
        claim_domain(una, account=acme, name="acme.com", now=NOW)
    with pytest.raises(NotFound):
        claim_domain(stan, account=acme, name="acme.com", now=NOW)


@pytest.mark.parametrize(
    "held, name",
    [
        ("acme.com", "acme.com"),
        ("acme.com", "*.acme.com"),
        ("acme.com", "eu.shop.acme.com"),
        ("eu.shop.acme.com", "acme.com"),
        ("eu.shop.acme.com", "shop.acme.com"),
    ],
)
def test_a_name_that_overlaps_another_accounts_verified_claim_is_refused(
    acme, globex, stan, held, name
):
    claimed(acme, held)

    with pytest.raises(NameTaken):
        claim_domain(stan, account=globex, name=name, now=NOW)

    assert events(globex) == ["domain_claim.refused"]
    assert not DomainClaim.objects.filter(account=globex).exists()


def test_a_neighbour_of_a_claimed_name_can_be_claimed(acme, globex, stan):
    claimed(acme, "shop.acme.com")

    claim = claim_domain(stan, account=globex, name="eu.acme.com", now=NOW)

    assert claim.state == "pending"


def test_a_pending_claim_blocks_no_other_account(acme, globex, stan):
    pending(acme, "acme.com")

    assert (
        claim_domain(stan, account=globex, name="acme.com", now=NOW).state == "pending"
    )


def test_the_account_that_has_the_name_gets_one_mail_a_day(acme, globex, sam, stan):
    claimed(acme, "acme.com")

    for hours in (0, 1, 23, 25):
        with pytest.raises(NameTaken):
            claim_domain(
                stan,
                account=globex,
                name="x.acme.com",
                now=NOW + timedelta(hours=hours),
            )

    mails = OutgoingMail.objects.filter(account=acme)
    assert [mail.to for mail in mails] == [sam.email, sam.email]
    assert not any("Globex" in mail.body or "Stan" in mail.body for mail in mails)


def test_a_name_below_an_own_verified_claim_needs_no_claim(acme, eve):
    claimed(acme, "acme.com")

    with pytest.raises(NameCovered):
        claim_domain(eve, account=acme, name="shop.acme.com", now=NOW)


def test_a_name_below_one_proved_by_http_can_be_claimed(acme, eve):
    claimed(acme, "acme.com", method="http")

    assert claim_domain(eve, account=acme, name="shop.acme.com", now=NOW).pk


def test_an_account_has_a_limit_of_pending_claims(acme, eve, monkeypatch):
    monkeypatch.setattr(commands, "MAX_PENDING_CLAIMS", 1)
    claim_domain(eve, account=acme, name="acme.com", now=NOW)

    with pytest.raises(TooManyClaims):
        claim_domain(eve, account=acme, name="acme.org", now=NOW)


# Verifying


def test_a_claim_is_verified_once_its_record_is_there(acme, eve, dns):
    claim = claim_domain(eve, account=acme, name="acme.com", now=NOW)
    with pytest.raises(ProofNotFound):
        verify_claim(eve, claim=claim, now=NOW)
    claim.refresh_from_db()
    assert (claim.state, claim.checked_at) == ("pending", NOW)
    assert "no TXT record" in claim.problem

    publish(dns, claim)
    verified = verify_claim(eve, claim=claim, now=NOW)

    assert (verified.state, verified.method, verified.problem) == (
        "verified",
        "dns",
        "",
    )
    assert events(acme) == ["domain_claim.requested", "domain_claim.verified"]


def test_the_record_of_another_account_proves_nothing(acme, globex, eve, stan, dns):
    mine = claim_domain(eve, account=acme, name="acme.com", now=NOW)
    other = claim_domain(stan, account=globex, name="acme.com", now=NOW)
    publish(dns, mine)

    with pytest.raises(ProofNotFound):
        verify_claim(stan, claim=other, now=NOW)

    assert state_of(other) == "pending"


@pytest.mark.parametrize(
    "names", [("acme.com", "acme.com"), ("acme.com", "a.acme.com")]
)
def test_of_two_pending_claims_the_first_that_is_verified_wins(
    acme, globex, eve, stan, sam, dns, names
):
    mine = claim_domain(eve, account=acme, name=names[0], now=NOW)
    other = claim_domain(stan, account=globex, name=names[1], now=NOW)
    for claim in (mine, other):
        publish(dns, claim)
    dns.records[proof_of("acme.com", "").dns_name] = [
        proof_of("acme.com", each.token).dns_value for each in (mine, other)
    ]
    verify_claim(eve, claim=mine, now=NOW)

    with pytest.raises(NameTaken):
        verify_claim(stan, claim=other, now=NOW)

    assert (state_of(mine), state_of(other)) == ("verified", "pending")
    assert events(globex) == ["domain_claim.requested", "domain_claim.refused"]
    assert OutgoingMail.objects.filter(account=acme).count() == 1


def test_a_claim_cannot_be_verified_after_seven_days(acme, eve, dns):
    claim = claim_domain(eve, account=acme, name="acme.com", now=NOW)
    publish(dns, claim)

    with pytest.raises(ClaimEnded):
        verify_claim(eve, claim=claim, now=NOW + WEEK)


def test_checks_on_demand_have_a_limit_per_hour(acme, eve, monkeypatch):
    monkeypatch.setattr(commands, "CHECKS_PER_HOUR", 0)
    claim = claim_domain(eve, account=acme, name="acme.com", now=NOW)

    with pytest.raises(LimitReached):
        verify_claim(eve, claim=claim, now=NOW)


def test_without_verification_a_claim_is_verified_as_it_is_made(acme, eve, settings):
    settings.DOMAIN_VERIFICATION = "off"

    claim = claim_domain(eve, account=acme, name="echo.localhost", now=NOW)

    assert (claim.state, claim.method) == ("verified", "off")


# Releasing


def test_a_released_name_is_free_for_another_account(acme, globex, eve, stan):
    claim = claimed(acme, "acme.com")

    release_claim(eve, claim=claim, now=NOW)

    assert claim_domain(stan, account=globex, name="acme.com", now=NOW).pk
    assert events(acme) == ["domain_claim.released"]


@pytest.mark.parametrize("name", ["acme.com", "shop.acme.com", "*.acme.com"])
def test_a_claim_with_an_active_domain_is_not_released(acme, eve, shop, name):
    claim = claimed(acme, "acme.com")
    active(shop, name)

    with pytest.raises(NameInUse):
        release_claim(eve, claim=claim, now=NOW)

    assert state_of(claim) == "verified"


# Staff


def test_staff_revoke_a_claim_and_edges_stop_serving_its_names(acme, sam, ada, shop):
    claim = claimed(acme, "acme.com")
    active(shop, "shop.acme.com")

    revoke_claim(ada, claim=claim, reason="Sold", now=NOW)

    claim.refresh_from_db()
    assert (claim.state, claim.lost_reason) == ("lost", "Sold")
    assert not ActiveDomain.objects.exists()
    assert events(acme) == ["domain_claim.lost"]
    make_notices(now=NOW)
    [mail] = OutgoingMail.objects.all()
    assert mail.to == sam.email
    assert "Domains: shop.acme.com" in mail.body


def test_staff_move_a_claim_with_all_below_it(acme, globex, sam, stan, ada, shop):
    claims = [claimed(acme, name) for name in ("acme.com", "eu.acme.com")]
    other = claimed(acme, "acme.org")
    active(shop, "eu.acme.com")
    active(shop, "www.acme.org")

    moved = move_claim(ada, claim=claims[0], to=globex, reason="Sold", now=NOW)

    assert (moved.account, moved.state, moved.method) == (globex, "verified", "staff")
    assert [state_of(each) for each in (*claims, other)] == ["lost", "lost", "verified"]
    assert list(ActiveDomain.objects.values_list("name", flat=True)) == ["www.acme.org"]
    assert events(globex) == ["domain_claim.moved"]
    assert events(acme) == ["domain_claim.moved", "domain_claim.moved"]
    make_notices(now=NOW)
    assert set(OutgoingMail.objects.values_list("to", flat=True)) == {
        sam.email,
        stan.email,
    }


def test_a_moved_claim_takes_the_place_of_a_pending_one(acme, globex, ada):
    claim, waiting = claimed(acme, "acme.com"), pending(globex, "acme.com")

    moved = move_claim(ada, claim=claim, to=globex, reason="Sold", now=NOW)

    assert moved.pk == waiting.pk
    assert moved.is_verified


def test_a_claim_below_another_one_of_the_account_is_not_moved(acme, globex, ada):
    claimed(acme, "acme.com", method="http")
    lower = claimed(acme, "eu.acme.com")

    with pytest.raises(NameCovered):
        move_claim(ada, claim=lower, to=globex, reason="Sold", now=NOW)


def test_moving_needs_a_reason_another_account_and_a_verified_claim(acme, globex, ada):
    verified, waiting = claimed(acme, "acme.com"), pending(acme, "acme.org")

    with pytest.raises(Invalid):
        move_claim(ada, claim=verified, to=globex, reason=" ", now=NOW)
    with pytest.raises(Invalid):
        move_claim(ada, claim=verified, to=acme, reason="Sold", now=NOW)
    with pytest.raises(ClaimEnded):
        move_claim(ada, claim=waiting, to=globex, reason="Sold", now=NOW)

    assert events(acme) == events(globex) == []


def test_a_superuser_has_no_staffs_power(acme, globex, sam):
    claim = claimed(acme, "acme.com")

    for call, more in ((revoke_claim, {}), (move_claim, {"to": globex})):
        with pytest.raises(Forbidden):
            call(sam, claim=claim, reason="Mine", now=NOW, **more)


# The sweep


def test_the_sweep_verifies_claims_whose_record_was_set(acme, eve, dns):
    claims = [
        claim_domain(eve, account=acme, name=f"acme.{tld}", now=NOW)
        for tld in ("com", "org")
    ]
    publish(dns, claims[0])

    sweep_claims(now=NOW)

    assert [state_of(claim) for claim in claims] == ["verified", "pending"]


def test_the_sweep_asks_again_after_ten_minutes(acme, dns):
    claim = pending(acme, "acme.com")
    sweep_claims(now=NOW)
    publish(dns, claim)

    sweep_claims(now=NOW + timedelta(minutes=9))
    assert state_of(claim) == "pending"

    sweep_claims(now=NOW + timedelta(minutes=10))
    assert state_of(claim) == "verified"


def test_a_pending_claim_ends_after_seven_days_and_can_be_made_again(acme, sam, eve):
    claim = claim_domain(eve, account=acme, name="acme.com", now=NOW)

    sweep_claims(now=NOW + WEEK - timedelta(seconds=1))
    assert state_of(claim) == "pending"

    sweep_claims(now=NOW + WEEK)
    assert state_of(claim) == "lost"
    make_notices(now=NOW)
    assert OutgoingMail.objects.get().to == sam.email

    again = claim_domain(eve, account=acme, name="acme.com", now=NOW + WEEK)
    assert again.pk == claim.pk
    assert again.state == "pending"
    assert again.token != claim.token


def test_a_verified_claim_outlives_its_last_use_by_90_days(acme, sam, shop):
    claim = claimed(acme, "acme.com")
    active(shop, "*.acme.com")
    sweep_claims(now=NOW + timedelta(days=80))
    ActiveDomain.objects.all().delete()

    sweep_claims(now=NOW + timedelta(days=169))
    assert state_of(claim) == "verified"

    # Its proof is missed for a week before it ends.
    for day in (171, 178):
        sweep_claims(now=NOW + timedelta(days=day))
    assert state_of(claim) == "lost"
    make_notices(now=NOW)
    assert OutgoingMail.objects.count() == 1


def test_an_unused_claim_whose_record_is_still_there_is_kept(acme, dns):
    claim = claimed(acme, "acme.com")
    publish(dns, claim)

    for day in (91, 150, 181, 188):
        sweep_claims(now=NOW + timedelta(days=day))

    assert state_of(claim) == "verified"


def test_the_name_of_a_lost_claim_is_free(acme, globex, stan, ada):
    claim = claimed(acme, "acme.com")
    revoke_claim(ada, claim=claim, reason="Sold", now=NOW)

    assert claim_domain(stan, account=globex, name="acme.com", now=NOW).pk


def test_both_superusers_are_notified_of_a_move(acme, globex, ada):
    for account in (acme, globex):
        member(account, f"Boss of {account.name}", Role.SUPERUSER)
    move_claim(ada, claim=claimed(acme, "acme.com"), to=globex, reason="Sold", now=NOW)

    make_notices(now=NOW)
    assert OutgoingMail.objects.count() == 2


def test_services_of_other_accounts_do_not_keep_a_claim(acme, globex, eve):
    claim = claimed(acme, "acme.com")
    active(ServiceFactory.create(account=globex), "shop.acme.com")

    release_claim(eve, claim=claim, now=NOW)

    assert not DomainClaim.objects.exists()
