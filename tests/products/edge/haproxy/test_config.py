"""The configuration as HAProxy itself reads it, with customers who mean harm."""

import dataclasses
import subprocess
from ipaddress import ip_address

import pytest
from msgspec.structs import replace

from products.edge.contract import HeaderRule, Route, RouteLogEndpoint
from products.edge.haproxy import maps
from products.edge.haproxy.config import (
    NOWHERE,
    PLACES,
    Frame,
    lua_script,
    places,
    render,
)
from products.edge.settings import Limits
from tests.ci_rules import program
from tests.products.edge.fake_portal import origin, route

FRAME = Frame("127.0.0.1", 8080, 0, 1, 1000, "", Limits())
HERE = ip_address("127.0.0.1")
INJECTIONS = (
    "x\nserver evil 127.0.0.1:1",
    "x\r\nbackend evil",
    "' if TRUE #",
    "\" ${HOME} '",
    "%[env(HOME)] %{+Q}o",
    "x }\n{",
    "\\",
    "\x00",
)


def written(folder, *routes):
    """Write a table as the agent does; gives the configuration."""
    found = maps.build(routes, {one.service: "" for one in routes})
    maps.write(found | maps.permission_maps(routes, accepts_websockets=True), folder)
    (folder / "edge.lua").write_bytes(lua_script())
    addresses = {one.service: (HERE,) for one in routes}
    configuration = render(FRAME, routes, addresses, found[maps.WILD])
    (folder / "haproxy.cfg").write_bytes(configuration)
    return configuration


def check(folder):
    return subprocess.run(
        [str(program("haproxy")), "-c", "-C", str(folder), "-f", "haproxy.cfg"],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.haproxy
@pytest.mark.parametrize("text", INJECTIONS)
def test_haproxy_takes_a_table_with_hostile_words_in_every_place(tmp_path, text):
    rules = (
        HeaderRule("set", "X-Value", text),
        HeaderRule("append", text, "v"),
        HeaderRule("delete", text),
    )
    asked = (RouteLogEndpoint("https", "log", "https://log.test/", (text,)),)
    to = origin(8000, address=text, use_tls=True, override_host=text)
    hostile = replace(
        route("a.test", to),
        header_rules=rules,
        log_endpoints=asked,
        refusal=text,
        websockets=False,
        hosts=(text.lower(), "*." + text.lower(), "a.test"),
    )
    sound = route("b.test", origin(8001))

    configuration = written(tmp_path, hostile, sound)

    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"\nbackend ws_b-test\n" in configuration
    assert b"evil" not in configuration or not _has_line(configuration, b"evil")


def _has_line(configuration, mark):
    lines = [line.split() for line in configuration.splitlines()]
    return any(mark in words[:2] for words in lines)


@pytest.mark.parametrize("service", ["a b", "a\nb", "a/b", "../a", "a'b", "", "a" * 65])
def test_a_service_with_an_unspeakable_id_has_no_line_and_no_key(tmp_path, service):
    bad = replace(route("a.test", origin(8000)), service=service)

    configuration = written(tmp_path, bad)

    assert b"\nbackend ws_" not in configuration
    assert (tmp_path / maps.HOSTS).read_bytes() == b""


def test_addresses_are_written_and_names_never(tmp_path):
    there = route("a.test", origin(8000, address="origin.example"))

    configuration = written(tmp_path, there)

    assert b"    server o1 ipv4@127.0.0.1:8000 tcp-ut " in configuration
    assert b"origin.example" not in configuration


def test_the_name_that_is_checked_is_the_override_hosts_or_else_the_addresss(tmp_path):
    one = route("a.test", origin(443, address="origin.example", use_tls=True))
    other = route("b.test", origin(443, use_tls=True, override_host="in.example:8443"))

    configuration = written(tmp_path, one, other)

    verified = b"ssl verify required alpn http/1.1 ca-file @system-ca verifyhost "
    assert verified + b"origin.example sni 'str(origin.example)'" in configuration
    assert verified + b"in.example sni 'str(in.example)'" in configuration
    assert b"http-request set-header Host in.example:8443\n" in configuration


def test_the_kernel_gives_up_a_peer_that_acknowledges_nothing_for_a_minute():
    frame = dataclasses.replace(FRAME, tls_port=8443)

    lines = render(frame, [route("a.test", origin(8000))], {}, {}).splitlines()

    ends = [line for line in lines if line.startswith((b"    bind ", b"    server o"))]
    assert len(ends) == 2 + 2 * PLACES
    assert all(b" tcp-ut 60000ms" in line for line in ends)
    assert {b"    clitcpka-idle 60s", b"    srvtcpka-idle 60s"} <= set(lines)


def test_a_change_of_address_or_entitlement_changes_nothing_that_needs_a_reload():
    before = route("a.test", origin(8000))
    after = replace(before, websockets=False, refusal="Off.", month="2026-12")

    first = render(FRAME, [before], {}, {})

    assert render(FRAME, [after], {}, {}) == first
    assert render(FRAME, [before], {before.service: (HERE,)}, {}) != first


def test_addresses_fill_all_places_and_none_leads_nowhere():
    second = ip_address("::1")

    assert places((HERE, second)) == (HERE, second) * (PLACES // 2)
    assert places(()) == (NOWHERE,) * PLACES


def test_a_route_has_no_field_that_the_configuration_does_not_know_of():
    # A new one must be thought of here, and in what needs a reload.
    assert set(Route.__struct_fields__) == {
        "service", "account", "hosts", "websockets", "refusal", "origin", "header_rules",
        "log_endpoints", "month", "month_ends_at", "drain_mode", "drain_until",
    }  # fmt: skip
