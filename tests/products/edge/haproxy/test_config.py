"""The configuration, checked by HAProxy, also with hostile values from customers."""

import dataclasses
import re
import subprocess
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from products.edge.contract import HeaderRule, Route, RouteLogEndpoint
from products.edge.haproxy import maps
from products.edge.haproxy.config import (
    MIN_SERVERS,
    NO_ADDRESS,
    CertificateList,
    Unquotable,
    digest_of,
    lua_script,
    quote,
    quote_format,
    render,
    server_addresses,
    with_all_limits,
)
from products.edge.settings import Limits, Settings
from products.protocol import PROTECTED_HEADER_PREFIXES, PROTECTED_HEADERS
from tests.ci_rules import program
from tests.products.edge.fake_portal import origin, route

SETTINGS = with_all_limits(
    Settings(
        portal="", credential_file="", data_dir="", limits=Limits(connections=1000)
    )
)
LOOPBACK = ip_address("127.0.0.1")
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


def rendered(routes, addresses):
    return render(SETTINGS, CertificateList(), routes, addresses)


def written(folder, *routes):
    """Write a table's files as the agent does; return the configuration."""
    found = maps.routing_maps(routes, {one.service: "" for one in routes})
    maps.write(found | maps.permission_maps(routes), folder)
    (folder / "edge.lua").write_bytes(lua_script())
    addresses = {one.service: (LOOPBACK, LOOPBACK) for one in routes}
    configuration = rendered(routes, addresses)
    (folder / "haproxy.cfg").write_bytes(configuration)
    return configuration


def check(folder):
    return subprocess.run(
        [str(program("haproxy")), "-c", "-C", str(folder), "-f", "haproxy.cfg"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.haproxy
@pytest.mark.parametrize("text", INJECTIONS)
def test_haproxy_accepts_a_table_with_a_hostile_value_in_every_field(tmp_path, text):
    rules = (
        HeaderRule("set", "X-Value", text),
        HeaderRule("append", text, "v"),
        HeaderRule("delete", text),
    )
    endpoints = (RouteLogEndpoint("https", "log", "https://log.test/", (text,)),)
    to = origin(8000, address=text, use_tls=True, override_host=text)
    hostile = replace(
        route("a.test", to),
        header_rules=rules,
        log_endpoints=endpoints,
        refusal=text,
        websockets=False,
        hosts=(text.lower(), "*." + text.lower(), "a.test"),
    )
    normal = route("b.test", origin(8001))

    configuration = written(tmp_path, hostile, normal)

    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"\nbackend ws_b-test\n" in configuration
    assert b"evil" not in configuration or not _has_line(configuration, b"evil")


def _has_line(configuration, mark):
    lines = [line.split() for line in configuration.splitlines()]
    return any(mark in words[:2] for words in lines)


@pytest.mark.parametrize("service", ["a b", "a\nb", "a/b", "../a", "a'b", "", "a" * 65])
def test_a_service_with_an_invalid_id_is_left_out(tmp_path, service):
    bad = replace(route("a.test", origin(8000)), service=service)

    configuration = written(tmp_path, bad)

    assert b"\nbackend ws_" not in configuration
    assert (tmp_path / maps.HOSTS).read_bytes() == b""


def test_addresses_are_written_and_names_are_not(tmp_path):
    there = route("a.test", origin(8000, address="origin.example"))

    configuration = written(tmp_path, there)

    assert b"    server o1 ipv4@127.0.0.1:8000 tcp-ut " in configuration
    assert b"origin.example" not in configuration


def test_the_certificate_name_is_the_override_host_or_the_address(tmp_path):
    one = route("a.test", origin(443, address="origin.example", use_tls=True))
    other = route("b.test", origin(443, use_tls=True, override_host="in.example:8443"))

    configuration = written(tmp_path, one, other)

    verified = b"ssl verify required alpn http/1.1 ca-file @system-ca verifyhost "
    assert verified + b"origin.example sni 'str(origin.example)'" in configuration
    assert verified + b"in.example sni 'str(in.example)'" in configuration
    assert b"http-request set-header Host in.example:8443\n" in configuration


def test_the_kernel_closes_connections_unacknowledged_for_a_minute():
    settings = dataclasses.replace(
        SETTINGS, tls_port=8443, tls_certificates="certificates"
    )

    configuration = render(
        settings, CertificateList(), [route("a.test", origin(8000))], {}
    )
    lines = configuration.splitlines()

    ends = [line for line in lines if line.startswith((b"    bind ", b"    server o"))]
    assert len(ends) == 2 + 2 * MIN_SERVERS
    assert all(b" tcp-ut 60000ms" in line for line in ends)
    assert {b"    clitcpka-idle 60s", b"    srvtcpka-idle 60s"} <= set(lines)


def test_permissions_are_not_in_the_configuration():
    before = route("a.test", origin(8000))
    after = replace(before, websockets=False, refusal="Off.", month="2026-12")

    assert rendered([after], {}) == rendered([before], {})


def test_the_digest_is_of_all_but_the_addresses():
    before = route("a.test", origin(8000))
    moved = {before.service: (LOOPBACK, ip_address("::1"))}

    first = rendered([before], {})
    other_addresses = rendered([before], moved)
    other_port = rendered([route("a.test", origin(8001))], {})

    assert other_addresses != first
    assert digest_of(other_addresses) == digest_of(first)
    assert digest_of(other_port) != digest_of(first)


def test_each_server_gets_an_address():
    second = ip_address("::1")

    assert server_addresses((LOOPBACK, second)) == (LOOPBACK, second)
    assert server_addresses((second,)) == (second, second)
    assert server_addresses(()) == (NO_ADDRESS,) * MIN_SERVERS


def test_an_origin_with_many_addresses_has_a_server_and_an_attempt_for_each(tmp_path):
    many = tuple(ip_address(f"127.0.0.{last}") for last in range(1, 6))
    there = route("a.test", origin(8000))

    servers = server_addresses(many)
    lines = rendered([there], {there.service: servers}).splitlines()

    assert set(servers) == set(many)
    assert len(servers) == 8  # so that three more addresses need no reload
    assert (
        lines.count(b"    retries 7") == 2
    )  # one backend for WebSockets, one for HTTP
    assert lines.count(b"    timeout connect 625ms") == 2


def test_the_number_of_servers_does_not_shrink():
    assert len(server_addresses((LOOPBACK,), least=8)) == 8


def test_the_lua_script_has_the_protected_headers():
    script = lua_script().decode()

    assert f'"{",".join(PROTECTED_HEADERS)}"' in script
    assert f'"{",".join(PROTECTED_HEADER_PREFIXES)}"' in script
    assert not re.search("@[A-Z_]+@", script)


def test_every_field_of_a_route_is_considered():
    # For a new field, decide where it goes and whether it needs a reload.
    assert set(Route.__struct_fields__) == {
        "service", "account", "hosts", "websockets", "refusal", "origin", "header_rules",
        "log_endpoints", "month", "month_ends_at", "drain_mode", "drain_until",
    }  # fmt: skip


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\x00"])
def test_a_value_with_a_line_break_is_never_written(end):
    with pytest.raises(Unquotable):
        quote(b"a" + end + b"server evil 127.0.0.1:1")
    with pytest.raises(Unquotable):
        quote_format(b"a" + end)


def test_only_a_value_with_special_characters_is_quoted():
    assert quote(b"example.com:80") == b"example.com:80"
    assert quote(b"a b") == b"'a b'"
    assert quote(b"it's") == b"'it'\\''s'"
    assert quote(b'"${HOME}" \\') == b"'\"${HOME}\" \\'"


def test_a_customers_expression_is_escaped():
    assert quote_format(b"%[src]%%") == b"'%%[src]%%%%'"
    assert quote_format(b"") == b"'%[str()]'"


@given(st.binary().filter(lambda data: not set(data) & {0, 10, 13}))
def test_a_quoted_value_is_read_as_the_value(value):
    assert read_word(quote(value)) == value


def read_word(text):
    r"""Read one word as the manual says (2.2): single quotes keep all, `\\` one byte."""
    read = bytearray()
    is_quoted = False
    position = 0
    while position < len(text):
        byte = text[position : position + 1]
        position += 1
        if byte == b"'":
            is_quoted = not is_quoted
        elif byte == b"\\" and not is_quoted:
            read += text[position : position + 1]
            position += 1
        else:
            assert is_quoted or byte not in b' "#$\t'
            read += byte
    assert not is_quoted
    return bytes(read)
