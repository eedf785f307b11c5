"""What portal and edge must agree on: host names, ports, header fields, certificates; pure.

Sources: RFC 1123 section 2.1 and RFC 5890 section 2.3 (host names), RFC 9110 section 5 (fields).
"""

import re
from ipaddress import ip_address
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

API_PATH = "/api/"  # of the portal: the whole API lies below it, and nothing else does
# The WSGI variable of a path with bytes that are not UTF-8. Django shows such a byte as `%FF`, the
# same as the three characters.
INVALID_PATH = "tollgate.invalid_path"
MAX_HOST_LENGTH = 253
MAX_PORT = 65535
MAX_HEADER_NAME_LENGTH = 255

# What goes between [ and ] in a regular expression (RFC 9110, sections 5.6.2 and 5.5).
TCHAR = r"!#$%&'*+\-.^_`|~0-9A-Za-z"
FIELD_VALUE_CHARACTERS = r"\t\x20-\x7e\x80-\xff"

CertificateKind: TypeAlias = Literal[
    "ok",
    "unreachable",
    "self_signed",
    "untrusted",
    "wrong_name",
    "expired",
    "not_tls",
    "refused_address",
]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_TOKEN = re.compile(rf"[{TCHAR}]+")
_FIELD_VALUE = re.compile(rf"[{FIELD_VALUE_CHARACTERS}]*")
_VCL_STRING = re.compile(r'"(?P<short>[^"]*)"|\{"(?P<long>.*)"\}', re.DOTALL)

# No header rule may change these, and no option of a client's Connection field removes them.
# Changing one would break the upgrade, or let one message be read as two. Both engines and the
# portal use this list; HAProxy gets it through its configuration.
PROTECTED_HEADERS = (
    "connection",
    "upgrade",
    "host",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "te",
    "trailer",
    "cdn-loop",
)
PROTECTED_HEADER_PREFIXES = ("sec-websocket-", "proxy-")
# In a header rule, these bare names are VCL variables, not header fields.
VCL_VARIABLES = frozenset({"url", "method", "request", "proto", "backend"})


def host_problem(host: str) -> str:
    """Return what is wrong with a host name in lower case; "" if it is valid."""
    if not host.isascii():
        return "Use the ASCII (punycode) form of the name, such as xn--…."
    if not 0 < len(host) <= MAX_HOST_LENGTH:
        return f"A host name has 1 to {MAX_HOST_LENGTH} characters."
    labels = host.split(".")
    if labels[-1].isdigit():
        return "Enter a host name, not an IP address."
    if not all(_LABEL.fullmatch(label) and _is_idna(label) for label in labels):
        return (
            "A host name has labels of 1 to 63 letters, digits and hyphens, with dots between "
            "them. Labels don't start or end with a hyphen, and the name doesn't end with a dot."
        )
    return ""


def _is_idna(label: str) -> bool:
    if not label.startswith("xn--"):
        return True
    try:
        text = label.removeprefix("xn--").encode("ascii").decode("punycode")
    except (UnicodeError, OverflowError):
        return False
    return not text.isascii() and text.isprintable()


def domain_problem(name: str) -> str:
    """Return what is wrong with a domain in lower case: a host name, or `*.` and one."""
    if not name.startswith("*."):
        return host_problem(name)
    rest = name.removeprefix("*.")
    if "." not in rest:
        return "A wildcard needs two or more labels after it, such as *.example.com."
    if len(name) > MAX_HOST_LENGTH:
        return f"A host name has 1 to {MAX_HOST_LENGTH} characters."
    return host_problem(rest)


def address_problem(address: str) -> str:
    """Return what is wrong with a host name, or an IP address without brackets."""
    if is_ip(address):
        return ""
    if ":" in address or address.rpartition(".")[2].isdigit():
        return (
            "Enter a host name or an IP address, without http://, path or user name. Put the port "
            "in the Port field."
        )
    return host_problem(address.lower())


def override_host_problem(host: str) -> str:
    """Return what is wrong with an Override Host: as an address, or an IPv6 address in brackets."""
    inner = host[1:-1]
    if host == f"[{inner}]" and ":" in inner and is_ip(inner):
        return ""
    return address_problem(host)


def certificate_name(address: str, override_host: str | None) -> str:
    """Return the name that an origin's certificate must be for: Override Host, else Address (R9).

    It has no port, no brackets of an IPv6 address and no trailing dot.
    """
    host = override_host or address
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    has_port = colon and port.isdigit() and ":" not in name
    return (name if has_port else host).removesuffix(".")


def host_field(host: str) -> str:
    """Return a host as a Host field has it: an IPv6 address is in brackets."""
    return f"[{host}]" if ":" in host and is_ip(host) else host


def is_ip(text: str) -> bool:
    """Tell whether a text is an IPv4 or IPv6 address without a zone."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def header_name(dst: str) -> str:
    """Return the header field of a rule's destination: `http.X-Tenant` or `X-Tenant`."""
    return dst.removeprefix("http.")


def header_name_problem(dst: str) -> str:
    """Return what is wrong with the name of a header field."""
    name = header_name(dst)
    if name == dst and name in VCL_VARIABLES:
        return f"{dst} is not a header field. Use http.Name."
    if not is_token(name):
        return "A header name has only letters, digits and !#$%&'*+-.^_`|~."
    return ""


def is_token(text: str) -> bool:
    """Tell whether a text is a token of RFC 9110, for example a field name."""
    return _TOKEN.fullmatch(text) is not None


def is_field_value(text: str) -> bool:
    """Tell whether a text can be sent as a field's value, as Latin-1."""
    return _FIELD_VALUE.fullmatch(text) is not None


def comparable_header_name(name: str) -> str:
    """Return a field's name as it is compared: many servers read `X_Name` as `X-Name`."""
    return name.lower().replace("_", "-")


def is_protected_header(name: str) -> bool:
    """Tell whether a field is protected, however its name is spelt."""
    name = comparable_header_name(name)
    return name in PROTECTED_HEADERS or name.startswith(PROTECTED_HEADER_PREFIXES)


def protection_problem(dst: str) -> str:
    """Return why a rule must not change a field of the request; "" if it can."""
    if is_protected_header(header_name(dst)):
        return (
            f"{header_name(dst)} is a protected header and can't be changed by a rule."
        )
    return ""


def header_value(src: str) -> str:
    """Return the value of a rule's source: a VCL string without its quotes."""
    literal = _VCL_STRING.fullmatch(src)
    if literal is None:
        return src
    return literal["short"] if literal["short"] is not None else literal["long"]


def header_source(value: str) -> str:
    """Return the source of a rule that sends exactly this value: the inverse of `header_value`."""
    return value if header_value(value) == value else f'{{"{value}"}}'


def header_value_problem(src: str) -> str:
    """Return what is wrong with the value of a rule's source."""
    if is_field_value(header_value(src)):
        return ""
    return "A header value can't have line breaks, control characters or characters beyond Latin-1."


def https_url_problem(url: str) -> str:
    """Return what is wrong with an https URL that log lines are posted to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "Enter an https URL."
    if parts.scheme != "https" or not parts.hostname:
        return "Enter an https URL, such as https://logs.example.com/in."
    if parts.username is not None or parts.fragment or not is_plain_url(url):
        return "Remove user names, fragments, spaces and control characters."
    if port == 0:
        return f"Enter a port from 1 to {MAX_PORT}."
    return address_problem(parts.hostname)


def is_plain_url(url: str) -> bool:
    """Tell whether a URL has only visible ASCII characters, so that it fits a request line."""
    return url.isascii() and url.isprintable() and " " not in url


def endpoint_problem(endpoint: str) -> str:
    """Return what is wrong with host:port (an IPv6 address in brackets)."""
    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        return "Enter host:port, such as logs.example.com:514."
    if not 1 <= int(port[:6]) <= MAX_PORT:
        return f"Enter a port from 1 to {MAX_PORT}."
    bracketed = host.startswith("[") and host.endswith("]")
    address = host[1:-1] if bracketed else host
    if bracketed != (":" in address):
        return "Enter an IPv6 address in brackets."
    return address_problem(address)
