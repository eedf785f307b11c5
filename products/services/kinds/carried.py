"""The kinds that the edge carries out: domains, backends and header rules.

Names, types and defaults are those of Fastly's API, read 2026-11:
https://www.fastly.com/documentation/reference/api/services/.
"""

import re
from ipaddress import ip_address

from products import protocol
from products.services.kinds.fields import (
    REQUIRED,
    Field,
    Values,
    choice,
    flag,
    long_text,
    number,
    secret,
    text,
)
from products.services.kinds.kind import VCL_ONLY, Kind, Problems

MAX_TIMEOUT = 600_000
TLS_PORT = 443
PLAIN_PORT = 80
TLS_VERSIONS = ("1.0", "1.1", "1.2", "1.3")
CONDITION_HELP = "A condition of this version."
NO_CONDITION = "No condition"
NO_SHIELD = "No shield"
# Identifiers of locations that other tools use, too. Any text is stored; forms offer these.
SHIELDS = {
    "amsterdam-nl": "Amsterdam (amsterdam-nl)",
    "iad-va-us": "Ashburn (iad-va-us)",
    "auckland-akl": "Auckland (auckland-akl)",
    "ord-il-us": "Chicago (ord-il-us)",
    "dallas-tx-us": "Dallas (dallas-tx-us)",
    "frankfurt-de": "Frankfurt (frankfurt-de)",
    "hongkong-hk": "Hong Kong (hongkong-hk)",
    "london_city-uk": "London (london_city-uk)",
    "lax-ca-us": "Los Angeles (lax-ca-us)",
    "miami-fl-us": "Miami (miami-fl-us)",
    "jfk-ny-us": "New York (jfk-ny-us)",
    "osaka-jp": "Osaka (osaka-jp)",
    "cdg-par-fr": "Paris (cdg-par-fr)",
    "sjc-ca-us": "San Jose (sjc-ca-us)",
    "gru-br-sa": "São Paulo (gru-br-sa)",
    "sea-wa-us": "Seattle (sea-wa-us)",
    "singapore-sg": "Singapore (singapore-sg)",
    "stockholm-bma": "Stockholm (stockholm-bma)",
    "sydney-au": "Sydney (sydney-au)",
    "tyo-tokyo-jp": "Tokyo (tyo-tokyo-jp)",
    "yyz-on-ca": "Toronto (yyz-on-ca)",
}

_SECRET_HEADER = re.compile(
    "authorization|cookie|token|secret|password|signature|credential|key", re.IGNORECASE
)


def comment(**declared: object) -> Field:
    """Declare the comment of a part."""
    return Field(name="comment", lines=True, max_length=500, nullable=True, **declared)  # type: ignore[arg-type]


def host(name: str, **declared: object) -> Field:
    """Declare a host name or an IP address."""
    return text(name, max_length=255, problem=protocol.address_problem, **declared)


def override_host(**declared: object) -> Field:
    """Declare the Host that an origin gets; an IPv6 address with or without brackets."""
    return text(
        "override_host",
        max_length=255,
        nullable=True,
        label="Override Host",
        problem=protocol.override_host_problem,
        **declared,
    )


def shield(**declared: object) -> Field:
    """Declare the location that collects requests to the origin."""
    return text(
        "shield",
        max_length=255,
        nullable=True,
        choice_labels=SHIELDS,
        no_value=NO_SHIELD,
        **declared,
    )


def condition_name(which: str, **declared: object) -> Field:
    """Declare the name of a condition."""
    return text(
        f"{which}_condition",
        max_length=255,
        refers_to="condition",
        no_value=NO_CONDITION,
        help=CONDITION_HELP,
        **declared,
    )


def healthcheck_name(**declared: object) -> Field:
    """Declare the name of a health check."""
    return text(
        "healthcheck",
        max_length=255,
        nullable=True,
        refers_to="healthcheck",
        no_value="No health check",
        help="A health check of this version.",
        **declared,
    )


def alnum_problem(value: str) -> str:
    """Return what is wrong with a text of letters and digits."""
    return (
        ""
        if value.isascii() and value.isalnum()
        else "Use only letters and digits, without spaces."
    )


DOMAIN = Kind(
    segment="domain",
    label="Domain",
    details="domains",
    carried=True,
    name_label="Domain name",
    name_problem=protocol.domain_problem,
    lower_case=True,
    fields=(comment(),),
)


def with_tls_from_port(fields: Values) -> Values:
    """Turn a backend's TLS on for port 443 and off for port 80, unless `use_ssl` is given.

    Source: Fastly's API, backend, `use_ssl`; its command line relies on it.
    """
    given = dict(fields)
    if "use_ssl" in given:
        return given
    switch = {str(TLS_PORT): True, str(PLAIN_PORT): False}.get(str(given.get("port")))
    return given if switch is None else given | {"use_ssl": switch}


def _address_of_version(version: int, values: Values) -> object:
    try:
        address = ip_address(str(values.get("address")))
    except ValueError:
        return None
    return str(values["address"]) if address.version == version else None


def _port_and_tls(values: Values) -> Problems:
    """Advise on a port that is usual with TLS and has none, or the reverse."""
    uses_tls = bool(values.get("use_ssl"))
    if values.get("port") == TLS_PORT and not uses_tls:
        yield "use_ssl", "Port 443 is usual with TLS, but Enable TLS is off."
    if values.get("port", PLAIN_PORT) == PLAIN_PORT and uses_tls:
        yield "port", "Enable TLS is on, but port 80 is usual without TLS."


def _milliseconds(name: str, **declared: object) -> Field:
    return number(
        name,
        maximum=MAX_TIMEOUT,
        unit="milliseconds",
        group="Timeouts",
        carried=False,
        **declared,
    )


def _certificate_name(name: str) -> Field:
    return host(name, nullable=True, group="TLS", carried=False)


def _tls_version(name: str) -> Field:
    return choice(name, TLS_VERSIONS, nullable=True, group="TLS", carried=False)


def _tcp(name: str, unit: str, usual: int) -> Field:
    return number(
        name,
        unit=unit,
        nullable=True,
        group="TCP keep-alive",
        carried=False,
        help=f"Fastly uses {usual} if this is not set.",
    )


BACKEND = Kind(
    segment="backend",
    label="Backend",
    details="backends",
    carried=True,
    couple=with_tls_from_port,
    advice=_port_and_tls,
    fields=(
        # R8: WebSocket connections use these four settings and the name.
        host(
            "address",
            required=True,
            help="A host name or an IP address. You can paste a URL; it sets Port and TLS too.",
        ),
        number(
            "port",
            maximum=protocol.MAX_PORT,
            default=PLAIN_PORT,
            required=True,
            help="443 is the usual port with TLS, 80 without.",
        ),
        flag(
            "use_ssl",
            default=False,
            required=True,
            label="Enable TLS",
            help="The certificate must be signed by a public certification authority.",
        ),
        override_host(
            empty_is_unset=True,
            help="The Host that the origin sees, and the name that its certificate must have.",
        ),
        shield(carried=False, help="Can't be combined with WebSockets."),
        healthcheck_name(carried=False),
        comment(default=""),
        condition_name(
            "request", default="", carried=False, group="Health and load balancing"
        ),
        text(
            "share_key",
            max_length=255,
            nullable=True,
            private=True,
            carried=False,
            group="Health and load balancing",
            problem=alnum_problem,
        ),
        number(
            "weight",
            minimum=1,
            default=100,
            group="Health and load balancing",
            carried=False,
        ),
        flag(
            "auto_loadbalance",
            default=False,
            group="Health and load balancing",
            carried=False,
        ),
        number(
            "error_threshold",
            default=0,
            nullable=True,
            group="Health and load balancing",
            carried=False,
        ),
        number(
            "max_conn",
            default=200,
            group="Limits",
            carried=False,
        ),
        number(
            "max_use",
            nullable=True,
            group="Limits",
            carried=False,
        ),
        number(
            "max_lifetime",
            nullable=True,
            unit="milliseconds",
            group="Limits",
            carried=False,
        ),
        flag(
            "prefer_ipv6",
            default=False,
            group="Health and load balancing",
            carried=False,
        ),
        _milliseconds("connect_timeout", default=1000),
        _milliseconds("first_byte_timeout", default=15000),
        _milliseconds("between_bytes_timeout", default=10000),
        _milliseconds("fetch_timeout"),
        number(
            "keepalive_time",
            nullable=True,
            unit="seconds",
            group="Timeouts",
            carried=False,
        ),
        flag(
            "ssl_check_cert",
            default=True,
            nullable=True,
            group="TLS",
            carried=False,
        ),
        long_text(
            "ssl_ca_cert",
            nullable=True,
            group="TLS",
            carried=False,
        ),
        _certificate_name("ssl_cert_hostname"),
        _certificate_name("ssl_sni_hostname"),
        _certificate_name("ssl_hostname"),
        text(
            "ssl_ciphers",
            max_length=500,
            nullable=True,
            group="TLS",
            carried=False,
        ),
        # A certificate is often pasted together with its key.
        long_text(
            "ssl_client_cert",
            nullable=True,
            private=True,
            group="TLS",
            carried=False,
        ),
        secret(
            "ssl_client_key",
            nullable=True,
            group="TLS",
            carried=False,
        ),
        long_text(
            "client_cert",
            nullable=True,
            private=True,
            group="TLS",
            carried=False,
        ),
        _tls_version("min_tls_version"),
        _tls_version("max_tls_version"),
        flag(
            "tcp_keepalive_enable",
            nullable=True,
            group="TCP keep-alive",
            carried=False,
        ),
        _tcp("tcp_keepalive_probes", "", 3),
        _tcp("tcp_keepalive_interval", "seconds", 10),
        _tcp("tcp_keepalive_time", "seconds", 300),
        text(
            "hostname",
            read_only=True,
            nullable=True,
            derive=lambda values: values.get("address"),
        ),
        text(
            "ipv4",
            read_only=True,
            nullable=True,
            derive=lambda values: _address_of_version(4, values),
        ),
        text(
            "ipv6",
            read_only=True,
            nullable=True,
            derive=lambda values: _address_of_version(6, values),
        ),
    ),
)


def _header_rule(values: Values) -> Problems:
    """Check what a rule's action and type ask of its other fields (R11)."""
    dst, src, action = (
        str(values.get(field) or "") for field in ("dst", "src", "action")
    )
    yield "dst", protocol.header_name_problem(dst)
    if values.get("type") == "request":
        yield "dst", protocol.protection_problem(dst)
    if action in {"set", "append"}:
        yield "src", protocol.header_value_problem(src) if src else REQUIRED
    if action in {"regex", "regex_repeat"} and not values.get("regex"):
        yield "regex", REQUIRED


def _sets_secret(values: Values) -> bool:
    """Tell whether a rule's value is a credential: that of a header such as Authorization."""
    name = protocol.header_name(str(values.get("dst")))
    return _SECRET_HEADER.search(name) is not None


HEADER = Kind(
    segment="header",
    label="Header rule",
    not_found="Header",
    details="headers",
    version_as_text=True,
    services=VCL_ONLY,
    carried=True,
    checks=(_header_rule,),
    holds_secret=_sets_secret,
    fields=(
        choice(
            "type",
            ("request", "cache", "response", "fetch"),
            required=True,
            choice_labels={
                "request": "Request of the client",
                "cache": "Response before it is cached",
                "response": "Response to the client",
                "fetch": "Request to the origin",
            },
            help="WebSocket connections use only rules about the client's request.",
        ),
        choice(
            "action",
            ("set", "append", "delete", "regex", "regex_repeat"),
            required=True,
            choice_labels={
                "set": "Set",
                "append": "Append",
                "delete": "Delete",
                "regex": "Replace the first match",
                "regex_repeat": "Replace all matches",
            },
        ),
        text(
            "dst",
            max_length=255,
            required=True,
            label="Header",
            help="Such as X-Client or http.X-Client.",
        ),
        text(
            "src",
            nullable=True,
            label="Value",
            to_typed=protocol.header_value,
            from_typed=protocol.header_source,
            may_be_secret=True,
            help="Sent as typed, without quotes around it. Leave empty for delete.",
        ),
        text(
            "regex",
            max_length=500,
            nullable=True,
            label="Regular expression",
            group="Replacement",
            carried=False,
        ),
        text(
            "substitution",
            max_length=500,
            nullable=True,
            may_be_secret=True,
            group="Replacement",
            carried=False,
        ),
        flag("ignore_if_set", as_text=True, group="Order"),
        number(
            "priority",
            group="Order",
            as_text=True,
            default=100,
            help="Rules with a lower number come first.",
        ),
        *(
            condition_name(which, nullable=True, group="Conditions", carried=False)
            for which in ("request", "cache", "response")
        ),
    ),
)

CARRIED_KINDS = (DOMAIN, BACKEND, HEADER)
