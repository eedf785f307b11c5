"""What cannot be combined with WebSockets (R6 to R11): one function per rule, and their list.

Source: https://docs.fastly.com/products/websockets, edition of 2025-11-04.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from products.compatibility.backend_settings import (
    BACKEND_LABELS,
    BLOCKING_SETTINGS,
    CERTIFICATE_NAMES,
    IGNORED_SETTINGS,
    is_set,
)
from products.compatibility.findings import Finding, Rule, Severity, blockers
from products.compatibility.header_rules import reason_ignored
from products.compatibility.version_config import (
    WEBSOCKETS,
    BackendConfig,
    OriginCertificate,
    VersionConfig,
    uses_websockets,
)

_NEW_CERTIFICATE = (
    "Give the origin a certificate signed by a public certification authority."
)
# By kind of certificate: what is wrong with it, the field it is about, and the remedy.
_REFUSED_CERTIFICATES = {
    "self_signed": ("has a self-signed certificate", "address", _NEW_CERTIFICATE),
    "untrusted": (
        (
            "has a certificate that no public certification authority signed, or sends it without "
            "the intermediate certificates"
        ),
        "address",
        f"{_NEW_CERTIFICATE} The origin must send the intermediate certificates too.",
    ),
    "wrong_name": (
        "has a certificate that doesn't match",
        "override_host",
        "Set Override Host to a name in the certificate, or renew the certificate.",
    ),
    "expired": (
        "has an expired certificate, or one that is not valid yet",
        "address",
        "Renew the origin's certificate.",
    ),
    "not_tls": (
        "doesn't use TLS, but Enable TLS is on",
        "use_ssl",
        "Turn Enable TLS off, or set the port on which the origin uses TLS.",
    ),
    "refused_address": (
        "has a private address",
        "address",
        "Set Address to a name or address that can be reached from the internet.",
    ),
}


@dataclass(frozen=True, slots=True)
class RuleInput:
    """All that a rule can look at."""

    config: VersionConfig
    products: frozenset[str]
    certificates: tuple[OriginCertificate, ...] = ()


def all_findings(
    config: VersionConfig,
    products: frozenset[str],
    certificates: Iterable[OriginCertificate] = (),
) -> tuple[Finding, ...]:
    """Return everything the rules report about a version, blockers first.

    `products` are those switched on for its service, `certificates` what a probe of its origins
    found, if there was one. A version that does not use WebSockets has no findings.
    """
    if not uses_websockets(config, products):
        return ()
    given = RuleInput(config, products, tuple(certificates))
    return tuple(finding for rule in RULES for finding in rule(given))


def blocking_switch(
    config: VersionConfig | None, products: frozenset[str], *, with_: str
) -> tuple[Finding, ...]:
    """Return what blocks switching the product `with_` on, whichever product came first (R6–R8).

    `config` is the service's active version, if it has one; `products` are those already on.
    Of a product other than WebSockets only the rule about products is checked (R7).
    """
    checked = config if with_ == WEBSOCKETS else None
    return blockers(
        all_findings(checked or VersionConfig(number=0), products | {with_})
    )


_SHIELDING = Rule("shielding_with_websockets", Severity.BLOCKS, "R6")


def shielding(given: RuleInput) -> Iterator[Finding]:
    """Refuse a version that shields (R6)."""
    for backend in given.config.backends:
        if is_set(backend, "shield"):
            yield _SHIELDING.finding(
                f"Backend {backend.name} uses the shield {backend.shield}. WebSockets can't be combined with shielding.",
                "Clear the Shield field. Connections then go from the edge directly to the origin.",
                backend=backend.name,
                field="shield",
            )


_NEXT_GEN_WAF = Rule("ngwaf_with_websockets", Severity.BLOCKS, "R7")


def next_gen_waf(given: RuleInput) -> Iterator[Finding]:
    """Refuse WebSockets and the Next-Gen WAF on one service (R7)."""
    if "ngwaf" in given.products:
        yield _NEXT_GEN_WAF.finding(
            "WebSockets and the Next-Gen WAF can't be on for the same service.",
            "Switch one of them off, or use a separate service for WebSockets.",
            field="products",
        )


_UNSAFE_SETTING = Rule("host_setting_unsafe", Severity.BLOCKS, "R8")


def unsafe_settings(given: RuleInput) -> Iterator[Finding]:
    """Refuse host settings that would be unsafe or plainly wrong to ignore (R8)."""
    for backend in given.config.backends:
        for field, setting in BLOCKING_SETTINGS.items():
            if is_set(backend, field):
                yield _UNSAFE_SETTING.finding(
                    f"{BACKEND_LABELS[field]}: backend {backend.name} {setting.effect}.",
                    setting.remedy,
                    backend=backend.name,
                    field=field,
                )


_CERTIFICATE_NAME = Rule("certificate_name_differs", Severity.BLOCKS, "R8")


def certificate_names(given: RuleInput) -> Iterator[Finding]:
    """Refuse a certificate name or SNI other than the name that is checked (R8)."""
    for backend in given.config.backends:
        for field in CERTIFICATE_NAMES:
            wanted = getattr(backend, field)
            if wanted and _normalized(wanted) != _normalized(backend.checked_name):
                yield _CERTIFICATE_NAME.finding(
                    f"{BACKEND_LABELS[field]} of backend {backend.name} is {wanted}, but WebSockets checks {_checked(backend)}.",
                    f"Set Override Host to {wanted}, or remove the setting.",
                    backend=backend.name,
                    field=field,
                )


_REFUSED_CERTIFICATE = Rule("origin_certificate_refused", Severity.BLOCKS, "R9")


def refused_certificates(given: RuleInput) -> Iterator[Finding]:
    """Refuse an origin whose certificate was seen and is not acceptable (R9)."""
    for backend, certificate in _with_certificates(given):
        if certificate.kind not in _REFUSED_CERTIFICATES:
            continue
        fault, field, remedy = _REFUSED_CERTIFICATES[certificate.kind]
        name = f" {backend.checked_name}" if certificate.kind == "wrong_name" else ""
        yield _REFUSED_CERTIFICATE.finding(
            f"The origin of backend {backend.name} {fault}{name}.",
            remedy,
            backend=backend.name,
            field=field,
        )


_IGNORED_SETTING = Rule("host_setting_without_effect", Severity.WARNING, "R8")


def ignored_settings(given: RuleInput) -> Iterator[Finding]:
    """Warn of host settings that WebSocket connections do not use (R8)."""
    for backend in given.config.backends:
        for field in IGNORED_SETTINGS:
            if is_set(backend, field):
                yield _IGNORED_SETTING.finding(
                    f"{BACKEND_LABELS[field]} of backend {backend.name} has no effect on WebSocket connections.",
                    "No action needed. It still applies to ordinary requests.",
                    backend=backend.name,
                    field=field,
                )


_FURTHER_BACKEND = Rule("further_backend", Severity.WARNING, "R8")


def further_backends(given: RuleInput) -> Iterator[Finding]:
    """Warn that only the first backend added gets connections (R8)."""
    first = given.config.connection_backend
    for backend in given.config.backends:
        if first is not None and backend is not first:
            yield _FURTHER_BACKEND.finding(
                f"Backend {backend.name} gets no WebSocket connections. All go to the first backend, {first.name}.",
                f"No action needed if {first.name} is the right one. Otherwise delete it and add it again, so that {backend.name} comes first.",
                backend=backend.name,
                field="name",
            )


_UNREACHABLE_ORIGIN = Rule("origin_unreachable", Severity.WARNING, "R9")


def unreachable_origins(given: RuleInput) -> Iterator[Finding]:
    """Warn of an origin that did not answer, so that no certificate was seen (R9)."""
    for backend, certificate in _with_certificates(given):
        if certificate.kind == "unreachable":
            yield _UNREACHABLE_ORIGIN.finding(
                f"The origin of backend {backend.name} ({backend.address}:{backend.port}) could not be reached, so its certificate was not checked.",
                "Check Address and port, and that the origin accepts connections from the internet.",
                backend=backend.name,
                field="address",
            )


# The code is part of the API and does not change with the words.
_IGNORED_HEADER_RULE = Rule("header_rule_left_alone", Severity.WARNING, "R11")


def ignored_header_rules(given: RuleInput) -> Iterator[Finding]:
    """Warn of header rules that the edge does not apply to WebSocket connections (R11)."""
    for rule in given.config.headers:
        if reason := reason_ignored(rule):
            yield _IGNORED_HEADER_RULE.finding(
                f"Header rule {rule.name} is ignored on WebSocket connections because {reason}.",
                "No action needed, unless your origin needs it in the handshake. Then set, append or delete the request header without a condition.",
                header=rule.name,
                field="action" if rule.type == "request" else "type",
            )


_LOG_AT_ACCEPT = Rule("log_at_accept", Severity.INFO, "R10")


def log_at_accept(given: RuleInput) -> Iterator[Finding]:
    """Say what a log line does not contain, if there is a log (R10)."""
    if given.config.log_endpoints:
        yield _LOG_AT_ACCEPT.finding(
            "Connections are logged when they are accepted, so the line has no duration or byte count.",
            "No action needed.",
            field="log_endpoints",
        )


RULES = (
    shielding,
    next_gen_waf,
    unsafe_settings,
    certificate_names,
    refused_certificates,
    ignored_settings,
    further_backends,
    unreachable_origins,
    ignored_header_rules,
    log_at_accept,
)


def _with_certificates(
    given: RuleInput,
) -> Iterator[tuple[BackendConfig, OriginCertificate]]:
    with_tls = {each.name: each for each in given.config.backends if each.use_ssl}
    for certificate in given.certificates:
        if certificate.backend in with_tls:
            yield with_tls[certificate.backend], certificate


def _checked(backend: BackendConfig) -> str:
    setting = "Override Host" if backend.override_host else "Address"
    return f"the {setting}, {backend.checked_name}"


def _normalized(name: str) -> str:
    return name.casefold().removesuffix(".")
