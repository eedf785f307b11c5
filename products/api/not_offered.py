"""The paths of Fastly's API that Tollgate does not offer, each with the reason in a sentence."""

from collections.abc import Mapping
from typing import Final

_NOTHING_CACHED = "Edges cache nothing, so there is nothing to purge."
_NO_VCL = "Edges run no VCL, so nothing here can check it."
_NO_STORES = "Edges run no Compute programs that could read a store."
_NO_INSPECTOR = "Figures are per service: see /stats."
_CONTRACT = "Contacts and addresses are in your contract. Ask your account manager."

# The start of each path; `*` is any one segment.
NOT_OFFERED: Final[Mapping[str, str]] = {
    "service/*/purge": _NOTHING_CACHED,
    "service/*/purge_all": _NOTHING_CACHED,
    "purge": _NOTHING_CACHED,
    "current_user/password": "Change your password in the portal.",
    "customer/*/contacts": _CONTRACT,
    "customer/*/billing_address": _CONTRACT,
    "billing/v3/customer-addresses": _CONTRACT,
    "billing/year": "Bills are in /billing/v3/invoices.",
    "content/edge_check": "Edges cache nothing.",
    "datacenters": "Edges are run by the operator of this platform, who can name them.",
    "public-ip-list": "Ask the operator of this platform for the addresses of its edges.",
    "service/*/version/*/package": "Edges run no Compute programs.",
    "vcl_lint": _NO_VCL,
    "service/*/lint": _NO_VCL,
    "service/*/log_stream": "Edges run no Compute programs whose logs could be followed.",
    "service/*/publish": "Publishing needs Fanout, which edges do not carry out.",
    "resources/stores": _NO_STORES,
    "resources/acls": _NO_STORES,
    "resources/object-storage": "There is no object storage.",
    "tls": "Edges do not end TLS for single domains. The operator configures certificates.",
    "metrics/domains": _NO_INSPECTOR,
    "metrics/origins": _NO_INSPECTOR,
    "metrics/bots": _NO_INSPECTOR,
    "metrics/platform/ddos": _NO_INSPECTOR,
    "v1/domains": _NO_INSPECTOR,
    "v1/origins": _NO_INSPECTOR,
    "alerts": "Use webhooks or the audit trail (/v1/trail) to follow what happens.",
    "notifications": "Use webhooks or the audit trail (/v1/trail) to follow what happens.",
    "observability": "Logs go to your own log endpoints, which can search and chart them.",
    "ngwaf": "The Next-Gen WAF is configured by its own console.",
    "network-protect": "This product is not in the catalogue.",
    "ddos-protection": "Edges do not report attacks.",
    "bot-management": "Edges do not report bots.",
    "api-security": "Edges do not report operations.",
    "ai-runtime-control": "This product is not in the catalogue.",
    "client-side-protection": "This product is not in the catalogue.",
    "dns": "Tollgate hosts no DNS zones. Manage yours where your domains are registered.",
    "domain-management": "Domains are added to versions: see /service/{id}/version/{number}/domain.",
    "domain-ownerships": "Domains are added to versions: see /service/{id}/version/{number}/domain.",
    "iam": "Roles are fixed: user, billing, engineer and superuser.",
    "permissions": "Roles are fixed: user, billing, engineer and superuser.",
    "user-groups": "Access is given to each member: see /service-authorizations.",
    "service-groups": "Access is given to each member: see /service-authorizations.",
    "stars": "The portal has no favourites.",
}
_PATTERNS: Final = tuple((key.split("/"), text) for key, text in NOT_OFFERED.items())


def reason_not_offered(path: str) -> str:
    """Return why a path below the API's base is not offered; "" for any other path."""
    segments = path.strip("/").split("/")
    for pattern, reason in _PATTERNS:
        start = segments[: len(pattern)]
        if len(start) == len(pattern) and all(
            wanted in {"*", got} for wanted, got in zip(pattern, start, strict=True)
        ):
            return reason
    return ""
