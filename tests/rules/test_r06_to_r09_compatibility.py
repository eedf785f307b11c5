"""R6 to R9: what WebSockets conflicts with, in both directions, and reported together."""

import pytest

from products.compatibility.rules import all_findings
from products.compatibility.version_config import (
    BackendConfig,
    DomainConfig,
    OriginCertificate,
    VersionConfig,
)
from products.enablement.commands import enable_for_service
from products.enablement.commands.service import Incompatible
from products.services.commands.parts import change_part
from tests.architecture.attempts import assign, switch_on
from tests.factories import NOW
from tests.factories.digests import digest_of_everything
from tests.factories.services import parts, set_values

ON = frozenset({"websockets"})


def deploy_of(world) -> str:
    return f"/api/service/{world.shop.pk}/version/{world.draft.number}/activate"


def shield(world, sam, where="frankfurt-de"):
    return change_part(
        sam,
        version=world.draft,
        kind="backend",
        name="origin",
        changes={"shield": where},
        now=NOW,
    )


def findings(**backend):
    config = VersionConfig(
        number=1,
        domains=(DomainConfig("shop.example.com"),),
        backends=(BackendConfig(name="origin", address="o.example.com", **backend),),
    )
    return [
        (each.code, each.severity.value, each.field)
        for each in all_findings(config, ON)
    ]


def test_r6_a_version_that_shields_is_not_deployed_where_websockets_is_on(world, api):
    sam = world.people["superuser"]
    switch_on(world, sam)
    shield(world, sam)

    status, answer = api("inside", "PUT", deploy_of(world))

    assert status == 400
    assert "shield" in str(answer)
    world.draft.refresh_from_db()
    assert world.draft.active is False


def test_r6_websockets_is_not_switched_on_where_the_live_version_shields(world):
    set_values(parts("backend", version=world.live), shield="frankfurt-de")
    before = digest_of_everything()

    with pytest.raises(Incompatible, match="shield"):
        switch_on(world, world.people["superuser"])

    assert digest_of_everything() == before


@pytest.mark.parametrize(
    "first, second", [("ngwaf", "websockets"), ("websockets", "ngwaf")]
)
def test_r7_next_gen_waf_and_websockets_refuse_each_other_in_either_order(
    first, second, world
):
    sam = world.people["superuser"]
    assign(world, sam)
    products = {"ngwaf": world.ngwaf, "websockets": world.websockets}
    enable_for_service(sam, service=world.shop, product=products[first], now=NOW)
    before = digest_of_everything()

    with pytest.raises(Incompatible, match="Next-Gen WAF"):
        enable_for_service(sam, service=world.shop, product=products[second], now=NOW)

    assert digest_of_everything() == before


@pytest.mark.parametrize(
    "setting, value",
    [
        ("ssl_client_cert", "certificate"),
        ("ssl_client_key", "key"),
        ("ssl_ca_cert", "authority"),
        ("ssl_check_cert", False),
        ("request_condition", "only-when"),
    ],
)
def test_r8_what_would_be_unsafe_to_ignore_blocks(setting, value):
    found = findings(use_ssl=True, **{setting: value})

    assert [(severity, name) for _, severity, name in found] == [("blocks", setting)]


@pytest.mark.parametrize(
    "setting, value",
    [
        ("connect_timeout", 2000),
        ("weight", 50),
        ("max_conn", 10),
        ("healthcheck", "alive"),
        ("min_tls_version", "1.2"),
        ("keepalive_time", 30),
    ],
)
def test_r8_what_is_merely_without_effect_is_a_warning_that_names_it(setting, value):
    found = findings(use_ssl=True, **{setting: value})

    assert [(severity, name) for _, severity, name in found] == [("warning", setting)]


def test_r8_defaults_and_the_four_settings_that_are_honoured_raise_nothing():
    assert findings(use_ssl=True, port=8443, override_host="chat.example.com") == []


def test_r9_a_certificate_seen_and_not_acceptable_blocks_and_an_origin_unseen_warns():
    config = VersionConfig(
        number=1,
        backends=(BackendConfig(name="o", address="o.example.com", use_ssl=True),),
    )
    kinds = {
        kind: [
            problem.severity.value
            for problem in all_findings(config, ON, [OriginCertificate("o", kind)])
        ]
        for kind in ("trusted", "self_signed", "unreachable")
    }

    assert kinds == {
        "trusted": [],
        "self_signed": ["blocks"],
        "unreachable": ["warning"],
    }


def test_r6_to_r9_are_reported_together(world, api):
    sam = world.people["superuser"]
    switch_on(world, sam)
    shield(world, sam)
    set_values(
        parts("backend", version=world.draft),
        ssl_check_cert=False,
        request_condition="only-when",
    )

    _, answer = api("inside", "PUT", deploy_of(world))

    words = str(answer)
    assert [
        name
        for name in ("shield", "Check the origin's certificate", "Request condition")
        if name not in words
    ] == []
