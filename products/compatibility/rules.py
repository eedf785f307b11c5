"""What WebSockets does not go with (R6 to R11): one function a rule, and the register.

Source: https://docs.fastly.com/products/websockets, edition of 2025-11-04. The rules
are asked only of a version that uses WebSockets (`config.uses_websockets`).
"""

from collections.abc import Iterable, Iterator

from products.compatibility.backend_settings import (
    BLOCKING_SETTINGS,
    CERTIFICATE_NAMES,
    IGNORED_SETTINGS,
    is_set,
)
from products.compatibility.findings import Finding, Problem, Rule, RuleInput, Severity
from products.compatibility.header_rules import ignored_header_rules
from products.compatibility.version_config import (
    BackendConfig,
    OriginCertificate,
    VersionConfig,
)

SOURCE = "https://docs.fastly.com/products/websockets"

_NEW_CERTIFICATE = (
    "Give the origin a certificate signed by a public certification authority."
)
# What is wrong with a certificate that was seen, the field it is about, and the cure.
_REFUSED_CERTIFICATES = {
    "self_signed": ("has a self-signed certificate", "address", _NEW_CERTIFICATE),
    "untrusted": (
        "has a certificate that no public certification authority signed",
        "address",
        _NEW_CERTIFICATE,
    ),
    "wrong_name": (
        "has a certificate for another name than",
        "override_host",
        "Set Override Host to a name that the certificate is for, or renew the certificate.",
    ),
    "expired": (
        "has a certificate that is not valid now",
        "address",
        "Renew the origin's certificate.",
    ),
    "not_tls": (
        "does not answer with TLS, and Enable TLS is on",
        "use_ssl",
        "Switch Enable TLS off, or set the port on which the origin speaks TLS.",
    ),
    "refused_address": (
        "has an address that is not a public one",
        "address",
        "Set Address to a name or address that the whole internet can reach.",
    ),
}


def all_findings(
    config: VersionConfig,
    products: frozenset[str],
    certificates: Iterable[OriginCertificate] = (),
) -> tuple[Problem, ...]:
    """Ask every rule of a version that uses WebSockets, and return all findings.

    `products` are the products switched on for the service; `certificates` what a probe
    of its origins saw, where there was one.
    """
    situation = RuleInput(config, products, tuple(certificates))
    return tuple(problem for rule in RULES for problem in rule.problems(situation))


def product_conflicts(on: frozenset[str]) -> tuple[Problem, ...]:
    """Say which products of a service do not go together, whichever came first (R7)."""
    if "websockets" not in on:
        return ()
    return _NEXT_GEN_WAF.problems(RuleInput(VersionConfig(number=0), on))


def shielding(situation: RuleInput) -> Iterator[Finding]:
    """Refuse a version that shields (R6)."""
    for backend in situation.config.backends:
        if is_set(backend, "shield"):
            yield Finding(
                message=f"Backend {backend.name} uses the shield {backend.shield}, and WebSockets does not go with shielding.",
                fix="Set Shield to None. Connections then go from each edge site straight to the origin.",
                backend=backend.name,
                field="shield",
            )


def next_gen_waf(situation: RuleInput) -> Iterator[Finding]:
    """Refuse WebSockets and the Next-Gen WAF on one service (R7)."""
    if "ngwaf" in situation.products:
        yield Finding(
            message="WebSockets does not go with the Next-Gen WAF on the same service.",
            fix="Switch one of the two off for this service, or put the WebSocket connections on a service of their own.",
            field="products",
        )


def unsafe_settings(situation: RuleInput) -> Iterator[Finding]:
    """Refuse host settings that would be unsafe or plainly wrong to ignore (R8)."""
    for backend in situation.config.backends:
        for field, setting in BLOCKING_SETTINGS.items():
            if is_set(backend, field):
                yield Finding(
                    message=f"{setting.label}: backend {backend.name} {setting.does}.",
                    fix=setting.fix,
                    backend=backend.name,
                    field=field,
                )


def certificate_names(situation: RuleInput) -> Iterator[Finding]:
    """Refuse a certificate name or SNI other than the name that is checked (R8)."""
    for backend in situation.config.backends:
        for field, label in CERTIFICATE_NAMES.items():
            wanted = getattr(backend, field)
            if wanted and _plain(wanted) != _plain(backend.checked_name):
                yield Finding(
                    message=f"{label}: backend {backend.name} asks for {wanted}, and WebSockets checks {_checked(backend)}.",
                    fix=f"Set Override Host to {wanted}, or remove the setting.",
                    backend=backend.name,
                    field=field,
                )


def settings_without_effect(situation: RuleInput) -> Iterator[Finding]:
    """Warn of host settings that a handed-off connection does not feel (R8)."""
    for backend in situation.config.backends:
        for field, label in IGNORED_SETTINGS.items():
            if is_set(backend, field):
                yield Finding(
                    message=f"{label} of backend {backend.name} is without effect on WebSocket connections.",
                    fix="Nothing has to be done. It still holds for ordinary requests.",
                    backend=backend.name,
                    field=field,
                )


def further_backends(situation: RuleInput) -> Iterator[Finding]:
    """Warn that only the first backend added carries the connections (R8)."""
    for backend in situation.config.backends[1:]:
        first = situation.config.backends[0]
        yield Finding(
            message=f"Backend {backend.name} carries no WebSocket connections: the first backend added, {first.name}, carries all of them.",
            fix=f"Nothing has to be done, if {first.name} is the one meant. If not, remove {first.name} and add it again after {backend.name}.",
            backend=backend.name,
            field="name",
        )


def refused_certificates(situation: RuleInput) -> Iterator[Finding]:
    """Refuse an origin whose certificate was seen and is not acceptable (R9)."""
    for backend, certificate in _seen(situation):
        if certificate.kind not in _REFUSED_CERTIFICATES:
            continue
        words, field, fix = _REFUSED_CERTIFICATES[certificate.kind]
        name = f" {backend.checked_name}" if certificate.kind == "wrong_name" else ""
        yield Finding(
            message=f"The origin of backend {backend.name} {words}{name}.",
            fix=fix,
            backend=backend.name,
            field=field,
        )


def unreachable_origins(situation: RuleInput) -> Iterator[Finding]:
    """Warn of an origin that did not answer, so that no certificate was seen (R9)."""
    for backend, certificate in _seen(situation):
        if certificate.kind == "unreachable":
            yield Finding(
                message=f"The origin of backend {backend.name} at {backend.address}, port {backend.port}, could not be reached, so its certificate was not seen.",
                fix="Check Address and port, and that the origin accepts connections from the internet.",
                backend=backend.name,
                field="address",
            )


def log_at_accept(situation: RuleInput) -> Iterator[Finding]:
    """Say what a log line cannot know, where there is a log (R10)."""
    if situation.config.log_endpoints:
        yield Finding(
            message="Your log line is written when a connection is accepted: it knows neither its duration nor its bytes.",
            fix="Nothing has to be done. Minutes and bytes stand on the Usage page.",
            field="log_endpoints",
        )


def _seen(
    situation: RuleInput,
) -> Iterator[tuple[BackendConfig, OriginCertificate]]:
    with_tls = {each.name: each for each in situation.config.backends if each.use_ssl}
    for certificate in situation.certificates:
        if certificate.backend in with_tls:
            yield with_tls[certificate.backend], certificate


def _checked(backend: BackendConfig) -> str:
    setting = "Override Host" if backend.override_host else "Address"
    return f"the {setting}, {backend.checked_name}"


def _plain(name: str) -> str:
    return name.casefold().removesuffix(".")


_NEXT_GEN_WAF = Rule(
    code="ngwaf_with_websockets",
    severity=Severity.BLOCKS,
    number="R7",
    source=SOURCE,
    find=next_gen_waf,
)

RULES = (
    Rule(
        code="shielding_with_websockets",
        severity=Severity.BLOCKS,
        number="R6",
        source=SOURCE,
        find=shielding,
    ),
    _NEXT_GEN_WAF,
    Rule(
        code="host_setting_unsafe",
        severity=Severity.BLOCKS,
        number="R8",
        source=SOURCE,
        find=unsafe_settings,
    ),
    Rule(
        code="certificate_name_differs",
        severity=Severity.BLOCKS,
        number="R8",
        source=SOURCE,
        find=certificate_names,
    ),
    Rule(
        code="origin_certificate_refused",
        severity=Severity.BLOCKS,
        number="R9",
        source=SOURCE,
        find=refused_certificates,
    ),
    Rule(
        code="host_setting_without_effect",
        severity=Severity.WARNING,
        number="R8",
        source=SOURCE,
        find=settings_without_effect,
    ),
    Rule(
        code="further_backend",
        severity=Severity.WARNING,
        number="R8",
        source=SOURCE,
        find=further_backends,
    ),
    Rule(
        code="origin_unreachable",
        severity=Severity.WARNING,
        number="R9",
        source=SOURCE,
        find=unreachable_origins,
    ),
    Rule(
        code="header_rule_left_alone",
        severity=Severity.WARNING,
        number="R11",
        source=SOURCE,
        find=ignored_header_rules,
    ),
    Rule(
        code="log_at_accept",
        severity=Severity.INFO,
        number="R10",
        source=SOURCE,
        find=log_at_accept,
    ),
)
