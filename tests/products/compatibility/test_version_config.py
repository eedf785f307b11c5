"""A version as plain values, and whether its VCL calls return(upgrade)."""

from time import process_time

import pytest

from products.compatibility.version_config import (
    BackendConfig,
    SnippetConfig,
    VclConfig,
    VersionConfig,
    uses_websockets,
)

UPGRADE = "if (req.http.Upgrade) { return(upgrade); }"


def recv(content):
    return VersionConfig(number=1, snippets=(SnippetConfig("ws", "recv", content),))


@pytest.mark.parametrize(
    "content",
    [
        UPGRADE,
        "return (upgrade);",
        "return\n(\n\tupgrade )\n;",
        "RETURN(Upgrade);",
        "return /* now */ ( # and here\n upgrade // so\n );",
        'set req.http.X = "http://a.example"; return(upgrade);',
        'set req.http.X = "#"; return(upgrade);',
        'set req.http.X = {"a " quote // and /* "}; return(upgrade);',
        'set req.http.X = {EOF"a "} b"EOF}; return(upgrade);',
        "# it's a \"quote\nreturn(upgrade);",
        "/* // */ return(upgrade); /* end */",
    ],
)
def test_a_recv_snippet_that_returns_upgrade_is_found(content):
    assert recv(content).calls_upgrade is True


@pytest.mark.parametrize(
    "content",
    [
        "",
        "return(pass);",
        "# return(upgrade);",
        "// return(upgrade);",
        "/* if (x) {\n return(upgrade);\n } */",
        'set req.http.X = "return(upgrade)";',
        'set req.http.X = {"\nreturn(upgrade)\n"};',
        "return(upgraded);",
        "myreturn(upgrade);",
        "return upgrade;",
        "/* never closed return(upgrade);",
        'set req.http.X = {"never closed return(upgrade);',
    ],
)
def test_a_recv_snippet_that_only_mentions_it_is_not(content):
    assert recv(content).calls_upgrade is False


@pytest.mark.parametrize(
    "opening", ['{"', "/* ", '{a"', '"', "return(", "{a", "return "]
)
def test_a_large_file_of_openings_is_read_in_linear_time(opening):
    content = opening * 100_000

    # Quadratic time would be more than ten seconds of this process; linear is a hundredth.
    before = process_time()
    found = recv(content).calls_upgrade

    assert found is False
    assert process_time() - before < 2


def test_a_vcl_file_that_returns_upgrade_is_found():
    config = VersionConfig(
        number=1, vcls=(VclConfig("main", f"sub vcl_recv {{ {UPGRADE} }}"),)
    )

    assert config.calls_upgrade is True


def test_a_snippet_of_another_subroutine_is_not():
    config = VersionConfig(
        number=1, snippets=(SnippetConfig("ws", "deliver", UPGRADE),)
    )

    assert config.calls_upgrade is False


@pytest.mark.parametrize(
    ("content", "products", "answer"),
    [("", {"ngwaf"}, False), ("", {"websockets"}, True), (UPGRADE, set(), True)],
)
def test_a_version_uses_websockets_by_the_switch_or_by_its_own_vcl(
    content, products, answer
):
    assert uses_websockets(recv(content), frozenset(products)) is answer


def test_the_name_checked_is_the_override_host_else_the_address():
    plain = BackendConfig(name="a", address="a.example")
    empty = BackendConfig(name="a", address="a.example", override_host="")
    other = BackendConfig(name="a", address="a.example", override_host="b.example")

    names = [each.checked_name for each in (plain, empty, other)]

    assert names == ["a.example", "a.example", "b.example"]
