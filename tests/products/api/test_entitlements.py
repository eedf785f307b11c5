"""`/api/v1/entitlements`: what the account may use; enabling and disabling by a program."""

import pytest
from allauth.account.models import EmailAddress

from accounts.audit.models import AuditEvent
from accounts.models import User
from products.catalogue.commands import add_plan
from products.catalogue.models import Product
from products.enablement.commands import start_trial
from products.enablement.models import Enablement
from tests.factories import NOW
from tests.factories.accounts import PASSWORD
from tests.factories.enablement import entitle
from tests.factories.keys import client_of
from tests.factories.services import ServiceFactory
from tests.factories.trail import noted
from tests.factories.world import (
    CATALOGUE,
    agreed_to_trial,
    load_catalogue,
    text_to_agree_to,
)

PATH = "/api/v1/entitlements/websockets"
JSON = "application/json"


@pytest.fixture(autouse=True)
def _at_noon(time_machine):
    """Prices are in force from this time on."""
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)


@pytest.fixture
def websockets(db):
    load_catalogue()
    return Product.objects.get(pk="websockets")


@pytest.fixture
def entitled(sam, acme, websockets):
    return entitle(sam, acme, websockets)


@pytest.fixture
def proven(sam):
    """Return Sam's client after `POST /sudo`."""
    user = User.objects.get(pk=sam.user_id)
    EmailAddress.objects.create(
        user=user, email=user.email, primary=True, verified=True
    )
    api = client_of(sam)
    assert api.post("/api/sudo", {"password": PASSWORD}, JSON).status_code == 200
    return api


def sent_to_enable(api, **other):
    preview = api.post(f"{PATH}/preview", {}, JSON).json()
    return {
        "price_version": preview["price_version"],
        "agreement_sha256": preview["agreement"]["sha256"],
        "reason": "launch",
    } | other


def test_the_list_has_every_product_and_the_services_that_have_it_on(
    una, eve, shop, entitled
):
    client_of(eve).put(f"/api/enabled-products/v1/websockets/services/{shop.pk}")

    body = client_of(una).get("/api/v1/entitlements").json()

    found = {each["product"]: each for each in body["data"]}
    not_superuser = "Your role is user. Superusers can enable and disable products."
    assert body["meta"] == {"next": ""}
    assert found["websockets"] == {
        "product": "websockets",
        "name": "WebSockets",
        "state": "enabled",
        "purchase_mode": "direct",
        "per_service": True,
        "blocked": None,
        "since": "2026-11-22T12:00:00Z",
        "until": None,
        "price_version": entitled.price_version_id,
        "services": [shop.pk],
        "trial": None,
        "you": {
            "enable": {"allowed": False, "reason": not_superuser},
            "disable": {"allowed": False, "reason": not_superuser},
            "request": {
                "allowed": False,
                "reason": "WebSockets is already enabled: Sam enabled it on "
                "22 November 2026, 12:00 UTC.",
            },
            "switch": {
                "allowed": False,
                "reason": "Your role is user. Engineers and superusers can configure services.",
            },
        },
    }
    assert (found["fanout"]["state"], found["fanout"]["since"]) == ("disabled", None)
    assert found["fanout"]["you"]["request"] == {"allowed": True, "reason": ""}
    assert found["delivery"]["state"] == "enabled"
    assert found["delivery"]["you"]["request"] == {
        "allowed": False,
        "reason": "Delivery is included in every account.",
    }


def test_one_entitlement_is_the_same_as_in_the_list(sam, entitled):
    api = client_of(sam)

    one = api.get(PATH).json()

    assert one in api.get("/api/v1/entitlements").json()["data"]
    assert one["you"]["disable"] == {"allowed": True, "reason": ""}
    assert one["you"]["enable"] == {
        "allowed": False,
        "reason": "WebSockets is already enabled: Sam enabled it on 22 November 2026, 12:00 UTC.",
    }


def test_an_unknown_product_is_a_404_as_problem_details(sam, entitled):
    answer = client_of(sam).get("/api/v1/entitlements/warp")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_limited_member_does_not_see_other_services(lin, eve, acme, shop, entitled):
    other = ServiceFactory.create(account=acme, name="other")
    client_of(eve).put(f"/api/enabled-products/v1/websockets/services/{other.pk}")

    assert client_of(lin).get(PATH).json()["services"] == []


def test_the_list_takes_the_same_queries_for_any_number_of_services(
    sam, eve, acme, shop, entitled, django_assert_num_queries
):
    api = client_of(sam)
    api.get("/api/v1/entitlements")
    for number in range(3):
        each = ServiceFactory.create(account=acme, name=f"s{number}")
        client_of(eve).put(f"/api/enabled-products/v1/websockets/services/{each.pk}")

    with django_assert_num_queries(12):
        api.get("/api/v1/entitlements")


def test_the_preview_has_prices_an_estimate_and_the_agreement(
    sam, acme, shop, websockets
):
    answer = client_of(sam).post(
        f"{PATH}/preview", {"connections": 2_000_000, "seconds_each": 61}, JSON
    )

    body = answer.json()
    assert answer.status_code == 200
    assert body["agreement"]["text"] == text_to_agree_to(acme, websockets)
    assert body["estimate"] == {
        "minutes_each": 2,
        "minutes": 4_000_000,
        "amount": "2.40",
        "currency": "USD",
    }
    (price,) = body["prices"]
    assert price["price_version"] == body["price_version"]
    assert price["tiers"] == [
        {"up_to": 10, "unit_price": "0.60"},
        {"up_to": 100, "unit_price": "0.50"},
        {"up_to": None, "unit_price": "0.40"},
    ]
    assert body["conflicts"] == []
    assert body["people"] == [
        {"name": "Sam", "role": "superuser", "services": "All services"}
    ]
    assert not AuditEvent.objects.filter(account_id=acme.pk).exists()


def test_a_preview_does_not_count_as_a_write(sam, websockets, settings):
    answer = client_of(sam).post(f"{PATH}/preview", {}, JSON)

    assert answer.json()["estimate"] is None
    remaining = int(answer.headers["Fastly-RateLimit-Remaining"])
    assert remaining == settings.API_READS_PER_MINUTE - 1


def test_a_preview_of_a_product_that_is_enabled_says_so(sam, entitled):
    answer = client_of(sam).post(f"{PATH}/preview", {}, JSON)

    assert (answer.status_code, answer.json()["code"]) == (409, "already_enabled")


def test_a_product_of_sales_cannot_be_enabled_here(proven, websockets):
    path = "/api/v1/entitlements/fanout"

    preview = proven.post(f"{path}/preview", {}, JSON)
    enabled = proven.post(
        f"{path}/enable", {"price_version": "x", "agreement_sha256": "x"}, JSON
    )

    assert [each.status_code for each in (preview, enabled)] == [409, 409]
    assert {each.json()["code"] for each in (preview, enabled)} == {"not_sold_directly"}


def test_enabling_and_disabling_by_a_program(proven, sam, eve, acme, shop, websockets):
    enabled = proven.post(f"{PATH}/enable", sent_to_enable(proven), JSON)
    client_of(eve).put(f"/api/enabled-products/v1/websockets/services/{shop.pk}")
    preview = proven.post(f"{PATH}/disable/preview", {}, JSON)
    disabled = proven.post(
        f"{PATH}/disable",
        {"seen": preview.json()["seen"], "drain_mode": "cut", "reason": "trial over"},
        JSON,
    )

    assert [each.status_code for each in (enabled, preview, disabled)] == [200] * 3
    assert (enabled.json()["state"], disabled.json()["state"]) == (
        "enabled",
        "disabled",
    )
    assert preview.json()["services"] == [
        {"id": shop.pk, "name": "shop", "open_connections": 0}
    ]
    assert preview.json()["open_connections"] == 0
    row = Enablement.objects.get()
    assert row.agreed_text == text_to_agree_to(acme, websockets)
    assert (row.reason, row.drain_mode) == ("launch", "cut")
    assert noted(acme.pk) == [
        "product.enabled",
        "bill.changed",
        "service_product.enabled",
        "product.disabled",
        "bill.changed",
    ]


def test_the_trail_has_the_token_and_the_time_of_the_proof(proven, acme, websockets):
    proven.post(f"{PATH}/enable", sent_to_enable(proven), JSON)

    body = AuditEvent.objects.get(account_id=acme.pk, sequence=1).body
    assert body["actor"]["type"] == "token"
    assert body["auth"] == {
        "method": "password",
        "reauth_at": "2026-11-22T12:00:00.000000Z",
    }


@pytest.mark.parametrize(
    "other", [{"price_version": "old"}, {"agreement_sha256": "0" * 64}]
)
def test_another_price_than_the_agreed_one_enables_nothing(
    proven, acme, websockets, other
):
    answer = proven.post(f"{PATH}/enable", sent_to_enable(proven, **other), JSON)

    assert (answer.status_code, answer.json()["code"]) == (409, "price_changed")
    assert not Enablement.objects.exists()
    assert noted(acme.pk) == []


def test_services_that_use_it_meanwhile_are_not_stopped_unseen(
    proven, eve, acme, shop, entitled
):
    seen = proven.post(f"{PATH}/disable/preview", {}, JSON).json()["seen"]
    client_of(eve).put(f"/api/enabled-products/v1/websockets/services/{shop.pk}")

    answer = proven.post(f"{PATH}/disable", {"seen": seen, "drain_mode": "cut"}, JSON)

    assert (answer.status_code, answer.json()["code"]) == (409, "seen_has_changed")
    assert Enablement.objects.get().ends_at is None


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_without_a_proof_of_this_token_nothing_changes(sam, proven, entitled, action):
    body = {"price_version": "x", "agreement_sha256": "x", "seen": "x"}

    # Another token of the same person.
    answer = client_of(sam).post(f"{PATH}/{action}", body | {"drain_mode": "cut"}, JSON)

    assert (answer.status_code, answer.json()["code"]) == (
        403,
        "reauthentication_required",
    )
    assert Enablement.objects.get().ends_at is None


def test_a_proof_is_valid_for_five_minutes(proven, websockets, time_machine):
    body = sent_to_enable(proven)
    time_machine.move_to("2026-11-22T12:05:01Z", tick=False)

    answer = proven.post(f"{PATH}/enable", body, JSON)

    assert answer.status_code == 403
    assert not Enablement.objects.exists()


@pytest.mark.parametrize("person", ["eve", "bo", "una"])
@pytest.mark.parametrize("path", ["preview", "enable", "disable/preview", "disable"])
def test_no_other_role_may(request, person, path, entitled):
    api = client_of(request.getfixturevalue(person))

    answer = api.post(f"{PATH}/{path}", {}, JSON)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_missing_fields_are_named_together(proven, entitled):
    answer = proven.post(f"{PATH}/disable", {}, JSON)

    assert answer.status_code == 400
    assert {each["field"] for each in answer.json()["fields"]} == {"drain_mode", "seen"}


def test_a_trial_is_shown_with_its_end_and_usage_and_can_be_purchased(
    sam, acme, websockets, proven
):
    add_plan(
        CATALOGUE,
        product=websockets,
        kind="trial",
        name="WebSockets trial",
        trial_days=14,
        trial_minutes=1_000,
        now=NOW,
    )
    start_trial(
        sam,
        account=acme,
        product=websockets,
        agreement=agreed_to_trial(acme, websockets),
        now=NOW,
    )

    body = proven.get(PATH).json()

    assert body["state"] == "trial"
    assert body["you"]["enable"] == {"allowed": True, "reason": ""}
    trial = {
        "started_at": "2026-11-22T12:00:00Z",
        "started_by": "Sam",
        "ends_at": "2026-12-06T12:00:00Z",
        "ended_at": None,
        "cap_minutes": 1_000,
        "used_minutes": 0,
    }
    assert body["trial"] == trial

    bought = proven.post(f"{PATH}/enable", sent_to_enable(proven), JSON).json()

    assert bought["state"] == "enabled"
    assert bought["trial"] == trial | {"ended_at": "2026-11-22T12:00:00Z"}


def test_a_trial_is_started_by_a_program_with_what_its_preview_says(
    proven, acme, websockets
):
    add_plan(
        CATALOGUE,
        product=websockets,
        kind="trial",
        name="Trial",
        trial_days=14,
        now=NOW,
    )

    preview = proven.post(f"{PATH}/trial/preview", {}, JSON).json()
    agreement = preview["agreement"]
    wrong = proven.post(f"{PATH}/trial", {"agreement_sha256": "0" * 64}, JSON)
    started = proven.post(
        f"{PATH}/trial", {"agreement_sha256": agreement["sha256"]}, JSON
    )
    again = proven.post(f"{PATH}/trial/preview", {}, JSON)

    assert (preview["days"], preview["cap_minutes"]) == (14, None)
    assert agreement["record"]["trial"]["days"] == 14
    assert (wrong.status_code, wrong.json()["code"]) == (409, "trial_changed")
    assert started.json()["state"] == "trial"
    assert (again.status_code, again.json()["code"]) == (409, "trial_used")
    assert Enablement.objects.get().agreed_text == agreement["text"]


def test_a_product_is_requested_by_a_program_once_a_day(eve, acme, websockets):
    client = client_of(eve)

    first = client.post(f"{PATH}/request", {"note": "For the shop"}, JSON)
    second = client.post(f"{PATH}/request", {}, JSON)

    assert first.status_code == 200
    assert (first.json()["asked"], first.json()["state"]) == ("superusers", "open")
    assert (second.status_code, second.json()["code"]) == (409, "asked_today")


def test_a_note_is_text(eve, websockets):
    refused = client_of(eve).post(f"{PATH}/request", {"note": 5}, JSON)

    assert (refused.status_code, refused.json()["detail"]) == (400, "note: Enter text.")


def test_a_product_that_the_account_has_is_not_requested_by_a_program(eve, entitled):
    refused = client_of(eve).post(f"{PATH}/request", {}, JSON)

    assert (refused.status_code, refused.json()["code"]) == (409, "already_enabled")
