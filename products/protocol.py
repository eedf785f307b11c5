"""What portal and edge must agree on: host names, ports, header fields, certificates; pure.

Sources: RFC 1123 section 2.1 and RFC 5890 section 2.3 (host names), RFC 9110 section 5 (fields).
"""

import re
from ipaddress import ip_address
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

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
    """Say what keeps a text from being a host name in lower case; "" for nothing."""
    if not host.isascii():
        return "Write the name in its ASCII form, with xn-- for other letters."
    if not 0 < len(host) <= MAX_HOST_LENGTH:
        return f"A host name has 1 to {MAX_HOST_LENGTH} characters."
    labels = host.split(".")
    if labels[-1].isdigit():
        return "Write a name here, not an IP address."
    if not all(_LABEL.fullmatch(label) and _is_idna(label) for label in labels):
        return (
            "A host name is made of labels of 1 to 63 letters, digits and hyphens with dots "
            "between them; no label begins or ends with a hyphen, nor the name with a dot."
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
    """Say what keeps a text in lower case from being a domain: a host name, or `*.` and one."""
    if not name.startswith("*."):
        return host_problem(name)
    rest = name.removeprefix("*.")
    if "." not in rest:
        return "A wildcard needs two labels or more after it, as in *.example.com."
    if len(name) > MAX_HOST_LENGTH:
        return f"A host name has 1 to {MAX_HOST_LENGTH} characters."
    return host_problem(rest)


def address_problem(address: str) -> str:
    """Say what keeps a text from being a host name or an IP address without brackets."""
    if is_ip(address):
        return ""
    if ":" in address or address.rpartition(".")[2].isdigit():
        return "This is no IP address."
    return host_problem(address.lower())


def origin_name(address: str, override_host: str | None) -> str:
    """Return the name that an origin's certificate must be for: Override Host, else Address (R9)."""
    return override_host or address


def is_ip(text: str) -> bool:
    """Tell whether a text is an IPv4 or IPv6 address without a zone."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def header_name(dst: str) -> str:
    """Return the header field that a rule is about: `http.X-Tenant` or `X-Tenant` alike."""
    return dst.removeprefix("http.")


def header_name_problem(dst: str) -> str:
    """Say what keeps a text from naming a header field."""
    name = header_name(dst)
    if name == dst and name in VCL_VARIABLES:
        return f"'{dst}' is no header field; name one as http.Name."
    if not is_token(name):
        return "A header name is made of letters, digits and !#$%&'*+-.^_`|~ alone."
    return ""


def is_token(text: str) -> bool:
    """Tell whether a text is a token of RFC 9110, for example a field name."""
    return _TOKEN.fullmatch(text) is not None


def is_field_value(text: str) -> bool:
    """Tell whether a text can be sent as a field's value, as Latin-1."""
    return _FIELD_VALUE.fullmatch(text) is not None


def is_protected_header(name: str) -> bool:
    """Tell whether a field, named in lower case, is protected."""
    return name in PROTECTED_HEADERS or name.startswith(PROTECTED_HEADER_PREFIXES)


def protection_problem(dst: str) -> str:
    """Say why a rule may not touch a field of the request; "" where it may."""
    if is_protected_header(header_name(dst).lower()):
        return f"{header_name(dst)} is a protected header; no rule can touch it."
    return ""


def header_value(src: str) -> str:
    """Return the value that a rule's source stands for: a VCL string without its quotes."""
    literal = _VCL_STRING.fullmatch(src)
    if literal is None:
        return src
    return literal["short"] if literal["short"] is not None else literal["long"]


def header_value_problem(src: str) -> str:
    """Say what keeps a source's value from being sent as a field's."""
    if is_field_value(header_value(src)):
        return ""
    return "A header value has no line breaks or control characters, and none beyond Latin-1."


def https_url_problem(url: str) -> str:
    """Say what keeps a text from being an https URL that lines can be posted to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "Write an https URL."
    if parts.scheme != "https" or not parts.hostname:
        return "Write an https URL, as in https://logs.example.com/in."
    if parts.username is not None or parts.fragment or not _is_plain(url):
        return "Leave out user names, fragments, spaces and control characters."
    if port == 0:
        return "Port 0 cannot be called."
    return address_problem(parts.hostname)


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url


def endpoint_problem(endpoint: str) -> str:
    """Say what keeps a text from being host:port (an IPv6 address in brackets)."""
    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        return "Write host:port, as in logs.example.com:514."
    if not 1 <= int(port[:6]) <= MAX_PORT:
        return f"A port is a number from 1 to {MAX_PORT}."
    bracketed = host.startswith("[") and host.endswith("]")
    address = host[1:-1] if bracketed else host
    if bracketed != (":" in address):
        return "Write an IPv6 address in brackets."
    return address_problem(address)
