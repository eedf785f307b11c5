"""R2 to R5: off by default, enabled by superusers, used by permitted users, with an agreement."""

import pytest

from accounts.audit.models import AuditEvent
from accounts.commands.members import change_role
from accounts.errors import Forbidden, NotFound
from accounts.models import Account, Membership, User
from products.catalogue.queries import direct_price, prices_beside
from products.deploy.routes import routes_of
from products.enablement.agreements import direct_terms, text_hash
from products.enablement.commands import Agreement, enable
from products.enablement.commands.account import NotAgreed, PriceChanged
from products.enablement.models import Enablement
from tests.architecture.attempts import buy, cancel
from tests.factories import NOW
from tests.factories.accounts import AccountFactory, actor_for
from tests.factories.digests import digest_of_everything


def published(world):
    """Return the shop's route in the route table."""
    [route] = routes_of([world.acme.pk], NOW)[world.acme.pk]
    return route


def switch(world):
    return f"/api/enabled-products/v1/websockets/services/{world.shop.pk}"


def test_r2_a_new_account_has_nothing_and_its_edge_refuses(world, api):
    cancel(world, world.people["superuser"])

    _, answer = api("user", "GET", "/api/v1/entitlements")

    have = {each["product"]: each["state"] for each in answer["data"]}
    assert have["websockets"] == "disabled"
    assert have["delivery"] == "enabled"
    assert published(world).websockets is False
    assert published(world).refusal == "WebSockets is not enabled for this account."


def test_r2_no_one_switches_it_on_for_a_service_before(world, api):
    cancel(world, world.people["superuser"])

    status, answer = api("engineer", "PUT", switch(world))

    assert (status, answer["title"]) == (400, "not entitled to enable")
    assert answer["detail"] == (
        "WebSockets is not enabled for this account. A superuser can enable it on the "
        "Products page."
    )
    assert published(world).websockets is False


@pytest.mark.parametrize(
    "person, refusal",
    [
        ("user", Forbidden),
        ("billing", Forbidden),
        ("engineer", Forbidden),
        ("inside", Forbidden),
        ("non_member", NotFound),
        ("staff", Forbidden),
    ],
)
def test_r3_only_a_superuser_of_that_account_enables_it(person, refusal, world):
    cancel(world, world.people["superuser"])
    before = digest_of_everything()

    with pytest.raises(refusal):
        buy(world, world.people[person])

    assert digest_of_everything() == before


def test_r3_djangos_flags_give_no_right_in_an_account(world):
    cancel(world, world.people["superuser"])
    una = world.people["user"]
    User.objects.filter(pk=una.user_id).update(is_staff=True, is_superuser=True)

    with pytest.raises(Forbidden):
        buy(world, una)


def test_r3_a_token_can_do_only_what_its_owner_can_do_now(world, api):
    sam = world.people["superuser"]
    second = world.people["engineer"]
    seat = Membership.objects.get(account=world.acme, user_id=second.user_id)
    change_role(sam, membership=seat, role="user", now=NOW)

    status, _ = api("engineer", "PUT", switch(world))

    assert status == 403
    assert published(world).websockets is False


def test_r4_users_who_may_configure_the_service_switch_it_on(world, api):
    answers = {
        person: api(person, "PUT", switch(world))[0]
        for person in ("user", "billing", "outside", "non_member", "inside")
    }

    assert answers == {
        "user": 403,
        "billing": 403,
        "outside": 403,
        "non_member": 404,
        "inside": 200,
    }


def test_r4_the_switch_acts_on_the_active_version_without_a_deployment(world, api):
    before = published(world).websockets
    api("inside", "PUT", switch(world))
    on = published(world).websockets
    api("inside", "DELETE", switch(world))
    off = published(world).websockets

    assert (before, on, off) == (False, True, False)


def test_r5_without_agreement_nothing_is_enabled(world):
    sam = world.people["superuser"]
    cancel(world, sam)
    before = digest_of_everything()

    with pytest.raises(NotAgreed):
        enable_with(world, sam, Agreement(""))
    with pytest.raises(PriceChanged):
        enable_with(world, sam, Agreement.to("I understand that it is free."))

    assert digest_of_everything() == before


def test_r5_the_agreement_names_the_prices_and_is_kept_word_for_word(world):
    sam = world.people["superuser"]
    cancel(world, sam)
    price = direct_price("websockets", NOW)
    text = direct_terms(
        world.acme, world.websockets, prices_beside(price, NOW), now=NOW
    ).text

    buy(world, sam)

    kept = Enablement.objects.get(account=world.acme, ends_at=None)
    assert text == (
        "I understand that enabling WebSockets changes the monthly bill of "
        f"Acme ({world.acme.pk}). Price version 1, before tax, per million connection minutes in "
        "a calendar month (UTC): 0.60 USD for the first 10 million, 0.50 USD for the next 90 "
        "million, 0.40 USD above 100 million."
    )
    assert (kept.agreed_text, kept.agreed_text_hash) == (text, text_hash(text))
    assert (kept.price_version, kept.started_by) == (price, "Sam")


def test_r5_the_enabling_and_the_change_of_the_bill_are_in_the_audit_trail(world):
    sam = world.people["superuser"]
    cancel(world, sam)

    buy(world, sam)

    trail = AuditEvent.objects.filter(account_id=world.acme.pk).order_by("-sequence")
    bill, enabled = trail[:2]
    assert (enabled.action, bill.action) == ("product.enabled", "bill.changed")
    assert enabled.body["after"]["agreed_text"].startswith("I understand")
    assert bill.body["after"]["billed"] is True
    assert bill.body["after"]["currency"] == "USD"
    assert enabled.body["agreed_text_hash"] == bill.body["agreed_text_hash"]


def test_r3_a_superuser_elsewhere_has_no_right_here(world):
    cancel(world, world.people["superuser"])
    elsewhere: Account = AccountFactory.create(name="Initech")
    una = world.person("user")
    Membership.objects.create(
        account=elsewhere,
        user=una,
        role="superuser",
        created_at=NOW,
        updated_at=NOW,
    )

    with pytest.raises(Forbidden, match="Your role is user"):
        buy(world, actor_for(una, world.acme))


def enable_with(world, actor, agreement):
    return enable(
        actor,
        account=world.acme,
        product=world.websockets,
        agreement=agreement,
        now=NOW,
    )
