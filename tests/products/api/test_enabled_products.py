"""The API that switches products on and off for a service."""

import pytest

from accounts.audit.models import AuditEvent
from products.catalogue.models import Plan
from products.enablement.commands import assign_package
from products.enablement.models import ServiceProduct
from products.services.models import Service
from tests.factories import NOW
from tests.factories.keys import client_of
from tests.factories.services import live_version, parts, set_values
from tests.factories.trail import last_entry, noted
from tests.factories.world import load_catalogue

JSON = "application/json"
EITHER = (
    "api_discovery",
    "bot_management",
    "ddos_protection",
    "domain_inspector",
    "log_explorer_insights",
    "origin_inspector",
)


@pytest.fixture(params=["/api/enabled-products/v1", "/api/enabled-products"])
def path(request, shop):
    """Return the path of the product on the service, with and without the version of the API."""
    return f"{request.param}/websockets/services/{shop.pk}"


def shown(service):
    return {
        "product": {"id": "websockets", "object": "product"},
        "service": {"id": service.pk, "object": "service"},
        "_links": {},
    }


def refused(title, detail):
    return {
        "type": "",
        "title": title,
        "status": 400,
        "errors": None,
        "detail": detail,
    }


def test_a_product_that_is_off_is_a_400_in_fastlys_format(eve, path, websockets):
    answer = client_of(eve).get(path)

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == refused(
        "no product on service", "WebSockets is not switched on for shop."
    )


@pytest.mark.parametrize("body", ["", "{}"])
def test_switching_a_product_on_twice_succeeds(eve, path, shop, entitled, body):
    api = client_of(eve)

    answers = [api.put(path, body, JSON), api.put(path, body, JSON), api.get(path)]

    assert [each.status_code for each in answers] == [200, 200, 200]
    assert [each.json() for each in answers] == [shown(shop)] * 3
    assert [row.action for row in AuditEvent.objects.all()] == [
        "service_product.enabled"
    ]


def test_switching_a_product_off_twice_succeeds(eve, path, entitled):
    api = client_of(eve)
    api.put(path, "", JSON)

    answers = [api.delete(path), api.delete(path)]

    assert [(each.status_code, each.content) for each in answers] == [
        (204, b""),
        (204, b""),
    ]
    assert api.get(path).status_code == 400
    assert not ServiceProduct.objects.filter(ends_at=None).exists()


def test_without_an_enablement_the_account_is_not_entitled(eve, path, websockets):
    answer = client_of(eve).put(path, "{}", JSON)

    assert answer.status_code == 400
    assert answer.json() == refused(
        "not entitled to enable",
        "WebSockets is not enabled for this account. A superuser can enable it on the "
        "Products page.",
    )
    assert not ServiceProduct.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("person", ["una", "bo"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_others_cannot_switch_a_product_on(person, method, path, entitled, request):
    api = client_of(request.getfixturevalue(person))

    answer = api.generic(method, path, "", JSON)

    assert answer.status_code == 403
    assert not ServiceProduct.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_limited_engineer_switches_a_product_on_for_their_service(
    lin, path, entitled
):
    answer = client_of(lin).put(path, "", JSON)

    assert answer.status_code == 200


def test_an_active_version_that_shields_is_refused_with_every_reason(
    eve, path, shop, entitled
):
    live_version(shop, "shop.example.com")
    set_values(parts("backend"), shield="lon-uk", ssl_check_cert=False)

    answer = client_of(eve).put(path, "", JSON)

    body = answer.json()
    assert answer.status_code == 400
    assert body["title"] == "product cannot be enabled"
    assert body["errors"] is None
    assert "lon-uk" in body["detail"]
    assert "certificate" in body["detail"]
    assert not ServiceProduct.objects.exists()


# The last five have no service in their paths; only fastly-py knows them.
UNKNOWN = (
    "warp",
    "ai_accelerator",
    "ai_runtime_control",
    "domain_research",
    "kv_store",
    "object_storage",
)


@pytest.mark.parametrize("prefix", ["v1/", ""])
@pytest.mark.parametrize("slug", UNKNOWN)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_product_that_is_not_in_the_catalogue_is_400(
    sam, shop, websockets, prefix, slug, method
):
    api, path = client_of(sam), f"/api/enabled-products/{prefix}{slug}"

    answers = [
        api.generic(method, f"{path}/services/{shop.pk}", "", JSON),
        api.generic(method, path, "", JSON),
    ]

    body = refused("product does not exist", f"The catalogue has no product '{slug}'.")
    assert [each.json() for each in answers] == [body] * 2
    assert [each.status_code for each in answers] == [400] * 2


def test_a_product_without_a_service_in_its_path_is_what_the_account_has(
    sam, acme, entitled, fanout
):
    api = client_of(sam)

    on = [api.get(ACCOUNT), api.put(ACCOUNT)]
    cannot = api.delete(ACCOUNT)
    off = [api.get(f"{FANOUT}"), api.put(FANOUT)]
    gone = api.delete(FANOUT)

    body = {
        "product": {"id": "websockets", "object": "product"},
        "customer": {"id": acme.pk, "object": "customer"},
        "_links": {},
    }
    assert [each.json() for each in on] == [body, body]
    assert (cannot.status_code, cannot.json()["title"]) == (
        400,
        "product cannot be disabled",
    )
    assert [each.json()["title"] for each in off] == [
        "no product on account",
        "not entitled to enable",
    ]
    assert off[1].json()["detail"] == (
        "Fanout is not enabled for this account. Contact your account manager."
    )
    assert (gone.status_code, gone.content) == (204, b"")
    assert not AuditEvent.objects.exists()


ACCOUNT = "/api/enabled-products/v1/websockets"
FANOUT = "/api/enabled-products/v1/fanout"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_only_a_superuser_learns_how_to_change_what_the_account_has(
    eve, entitled, method
):
    assert client_of(eve).generic(method, ACCOUNT, "", JSON).status_code == 403


@pytest.mark.parametrize("version", ["v1/", ""])
def test_the_services_with_a_product_are_listed(eve, shop, acme, entitled, version):
    api = client_of(eve)
    api.put(f"/api/enabled-products/v1/websockets/services/{shop.pk}", "", JSON)

    answer = api.get(f"/api/enabled-products/{version}websockets/services")

    assert answer.json() == {
        "product": {"id": "websockets", "object": "product"},
        "customer": {"id": acme.pk, "object": "customer"},
        "services": [shop.pk],
        "_links": {},
    }


def test_another_account_lists_nothing(eve, stan, shop, entitled):
    client_of(eve).put(
        f"/api/enabled-products/v1/websockets/services/{shop.pk}", "", JSON
    )

    answer = client_of(stan).get("/api/enabled-products/v1/websockets/services")

    assert answer.json()["services"] == []


@pytest.fixture
def packages(ada, acme):
    """Give Acme every product that is sold by sales."""
    load_catalogue()
    for plan in Plan.objects.filter(kind="package").exclude(product="websockets"):
        assign_package(ada, account=acme, plan=plan, now=NOW)


def path_of(slug, service):
    return f"/api/enabled-products/v1/{slug}/services/{service.pk}"


@pytest.mark.parametrize(
    ("slug", "kind", "status"),
    [
        ("fanout", "vcl", 400),
        ("fanout", "wasm", 200),
        ("brotli_compression", "wasm", 400),
        ("brotli_compression", "vcl", 200),
        ("image_optimizer", "wasm", 400),
        ("image_optimizer", "vcl", 200),
        ("ngwaf", "vcl", 200),
        ("delivery", "vcl", 400),
        *((slug, kind, 200) for slug in EITHER for kind in ("vcl", "wasm")),
    ],
)
def test_a_product_can_be_switched_on_for_its_types_of_service(
    eve, shop, packages, slug, kind, status
):
    Service.objects.update(type=kind)

    answer = client_of(eve).put(path_of(slug, shop), "{}", JSON)

    assert answer.status_code == status
    assert ServiceProduct.objects.exists() is (status == 200)
    assert answer.json().get("title") == (
        None if status == 200 else "product cannot be enabled"
    )


CONFIGURATIONS = [
    ("ngwaf", {"workspace_id": "", "traffic_ramp": "100"}, {"traffic_ramp": "45"}),
    ("ddos_protection", {"mode": "log"}, {"mode": "block"}),
    ("bot_management", {"contentguard": "off"}, {"contentguard": "on"}),
]


@pytest.mark.parametrize(("slug", "defaults", "sent"), CONFIGURATIONS)
def test_a_configuration_is_read_and_changed_while_the_product_is_on(
    eve, acme, shop, packages, slug, defaults, sent
):
    api, path = client_of(eve), path_of(slug, shop)

    off = [
        api.get(f"{path}/configuration"),
        api.patch(f"{path}/configuration", sent, JSON),
    ]
    api.put(path, "{}", JSON)
    first = api.get(f"{path}/configuration")
    changed = api.patch(f"{path}/configuration", sent, JSON)
    then = api.get(f"{path}/configuration")

    assert [(each.status_code, each.json()["title"]) for each in off] == [
        (400, "no product on service")
    ] * 2
    base = {
        "product": {"id": slug, "object": "product"},
        "service": {"id": shop.pk, "object": "service"},
        "_links": {},
    }
    assert first.json() == base | {"configuration": defaults}
    assert changed.json() == base | {"configuration": sent}
    assert then.json() == base | {"configuration": defaults | sent}
    entry = last_entry(acme.pk)
    assert entry["action"] == "service_product.configured"
    assert (entry["before"], entry["after"]) == (
        {name: defaults[name] for name in sent},
        sent,
    )


def test_a_put_takes_the_configuration_and_a_second_one_its_new_value(
    eve, acme, shop, packages
):
    api, path = client_of(eve), path_of("ddos_protection", shop)

    api.put(path, {"mode": "block"}, JSON)
    api.put(path, {}, JSON)
    kept = api.get(f"{path}/configuration").json()["configuration"]
    api.put(path, {"mode": "log"}, JSON)

    assert kept == {"mode": "block"}
    assert api.get(f"{path}/configuration").json()["configuration"] == {"mode": "log"}
    assert noted(acme.pk)[-2:] == [
        "service_product.enabled",
        "service_product.configured",
    ]


@pytest.mark.parametrize(
    ("slug", "sent"),
    [
        ("ngwaf", {"traffic_ramp": "101"}),
        ("ngwaf", {"traffic_ramp": "many"}),
        ("ngwaf", {"workspace_id": "x" * 256}),
        ("ddos_protection", {"mode": "maybe"}),
        ("ngwaf", {"workspace_id": {"id": "w"}}),
        ("ngwaf", {"mode": "off"}),
        ("bot_management", {"contentguard": 7}),
    ],
)
def test_an_impossible_option_changes_nothing(eve, acme, shop, packages, slug, sent):
    api, path = client_of(eve), path_of(slug, shop)
    api.put(path, "{}", JSON)
    length = len(noted(acme.pk))

    answers = [
        api.patch(f"{path}/configuration", sent, JSON),
        api.put(path, sent, JSON),
    ]

    assert [(each.status_code, each.json()["title"]) for each in answers] == [
        (400, "Bad request")
    ] * 2
    assert len(noted(acme.pk)) == length


def test_a_product_without_options_takes_none(eve, acme, shop, packages):
    path = path_of("brotli_compression", shop)

    answer = client_of(eve).put(path, {"mode": "log"}, JSON)

    assert answer.status_code == 400
    assert answer.json()["detail"] == "brotli_compression has no option mode."
    assert "service_product.enabled" not in noted(acme.pk)


def test_fastly_py_sends_on_and_off_as_true_and_false(eve, shop, packages):
    api, path = client_of(eve), path_of("bot_management", shop)
    api.put(path, "{}", JSON)

    answer = api.patch(f"{path}/configuration", {"contentguard": "true"}, JSON)

    assert answer.json()["configuration"] == {"contentguard": "on"}


def test_a_product_without_options_has_no_configuration(eve, shop, entitled):
    api, path = client_of(eve), path_of("websockets", shop)
    api.put(path, "{}", JSON)

    answer = api.get(f"{path}/configuration")

    assert answer.json() == refused(
        "no configuration for product", "WebSockets has no options."
    )
