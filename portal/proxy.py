"""Reads who the client is: its address and scheme, behind exactly TRUSTED_PROXIES proxies.

This is the only reader. It puts what it finds where Django and allauth look: in `REMOTE_ADDR` and
in the scheme of the request. WSGI cannot tell `X_Forwarded_For` from `X-Forwarded-For`, so the
proxy must drop names with underscores, as deploy/haproxy-portal.cfg does.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host

from portal.error_responses import bad_request

FORWARDED_FOR = "HTTP_X_FORWARDED_FOR"
FORWARDED_PROTO = "HTTP_X_FORWARDED_PROTO"
# Read by nothing here. They are removed, so that nothing starts to read them.
OTHER_FORWARDING_HEADERS = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_REAL_IP",
)
DEFAULT_PORTS = {"http": "80", "https": "443"}
GetResponse = Callable[[HttpRequest], HttpResponse]


class BadForwardingError(ValueError):
    """A request did not come through as many proxies as the settings say."""


def read_client(get_response: GetResponse) -> GetResponse:
    """Set address and scheme of each request; refuse one that bypassed a proxy with 400."""

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            _apply(request.META)
        except BadForwardingError as error:
            return HttpResponse(
                f"{error}\n",
                status=HTTPStatus.BAD_REQUEST,
                content_type="text/plain; charset=utf-8",
            )
        return get_response(request)

    return middleware


def _apply(meta: dict[str, Any]) -> None:
    addresses, scheme = meta.pop(FORWARDED_FOR, ""), meta.pop(FORWARDED_PROTO, "")
    for name in OTHER_FORWARDING_HEADERS:
        meta.pop(name, None)
    if settings.TRUSTED_PROXIES == 0:
        return
    if not _is_proxy(str(meta.get("REMOTE_ADDR", ""))):
        raise BadForwardingError("Requests must come through the proxy.")
    meta["REMOTE_ADDR"] = _address(addresses, hops=settings.TRUSTED_PROXIES)
    if scheme not in DEFAULT_PORTS:
        raise BadForwardingError("The proxy must set X-Forwarded-Proto.")
    meta["wsgi.url_scheme"] = scheme


def _is_proxy(peer: str) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in settings.PROXY_NETWORKS)


def _address(forwarded: str, *, hops: int) -> str:
    """Return the entry that the outermost trusted proxy added; further left, clients write."""
    entries = forwarded.split(",")
    if len(entries) < hops:
        raise BadForwardingError(f"X-Forwarded-For must have {hops} entries.")
    try:
        address = ip_address(entries[-hops].strip())
    except ValueError as error:
        raise BadForwardingError("X-Forwarded-For must have IP addresses.") from error
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def reject_foreign_hosts(get_response: GetResponse) -> GetResponse:
    """Refuse a request whose Host is not the portal's; in production the port counts too.

    Links in emails and pages would lead to that host.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if is_own_host(request.META, request.scheme or "http"):
            return get_response(request)
        return bad_request(request, ValueError("foreign host"))

    return middleware


def is_own_host(meta: Mapping[str, Any], scheme: str) -> bool:
    """Return whether a request's Host is PORTAL_URL's or one of ALLOWED_HOSTS."""
    host = meta.get("HTTP_HOST")
    if host is None:  # HTTP/1.0; Django then uses the name of the server
        return not settings.PRODUCTION
    domain, _ = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        return False
    if not settings.PRODUCTION:
        return True
    own = (urlsplit(settings.PORTAL_URL).netloc, *settings.PORTAL_ALIASES)
    return _with_port(host, scheme) in {_with_port(name, scheme) for name in own}


def _with_port(host: str, scheme: str) -> str:
    """Return host:port; a final dot stays, so that such a name is another one."""
    host = host.lower()
    _, port = split_domain_port(host)
    return host if port else f"{host}:{DEFAULT_PORTS[scheme]}"
