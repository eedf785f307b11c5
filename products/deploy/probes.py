"""What an origin's certificate looked like when it was last asked (R9)."""

import hashlib

from django.conf import settings
from django.core.cache import cache

from accounts.rate_limit import consume
from products.compatibility.version_config import (
    BackendConfig,
    OriginCertificate,
    VersionConfig,
    carrying_backend,
)
from products.edge.probe import probe_origin

# Long enough that a page and the deployment after it ask once, short enough to see a mended one.
PROBE_CACHE_SECONDS = 60
# Probes are made to addresses that customers choose: an account cannot use us to knock on doors.
PROBES_PER_HOUR = 120


def cached_certificates(config: VersionConfig) -> tuple[OriginCertificate, ...]:
    """Return what is remembered of the origin that carries the connections; dials nobody."""
    found = ((backend, cache.get(_key(backend))) for backend in _carrying(config))
    # The memory is by address: another service may call the same origin by another name.
    return tuple(
        OriginCertificate(backend.name, known.kind, known.detail)
        for backend, known in found
        if known is not None
    )


def probe_certificates(
    config: VersionConfig, account_id: str
) -> tuple[OriginCertificate, ...]:
    """Probe the origin that carries the connections, unless that was done within the minute.

    At most 3 seconds. An account that has used up its budget is told so as an origin that could
    not be reached: a warning, since the edge checks again when it connects. Not inside a
    transaction.
    """
    return tuple(_ask(backend, account_id) for backend in _carrying(config))


def _carrying(config: VersionConfig) -> tuple[BackendConfig, ...]:
    """Return the backend that carries the connections, the first, where it speaks TLS."""
    backend = carrying_backend(config.backends)
    return (backend,) if backend is not None and backend.use_ssl else ()


def _key(backend: BackendConfig) -> str:
    # Two host names are longer than the cache's keys may be.
    asked = f"{backend.address}\n{backend.port}\n{backend.checked_name}"
    return f"probe:{hashlib.sha256(asked.encode()).hexdigest()}"


def _ask(backend: BackendConfig, account_id: str) -> OriginCertificate:
    known: OriginCertificate | None = cache.get(_key(backend))
    if known is not None:
        return OriginCertificate(backend.name, known.kind, known.detail)
    if consume(f"probes:{account_id}", PROBES_PER_HOUR) < 0:
        return OriginCertificate(
            backend.name,
            "unreachable",
            "This account's probes of the hour are used up.",
        )
    result = probe_origin(
        backend.address,
        backend.port,
        name=backend.checked_name,
        allowed_private=settings.PRIVATE_ORIGINS,
        ca_file=settings.ORIGIN_CA_FILE or None,
    )
    certificate = OriginCertificate(backend.name, result.kind, result.detail)
    cache.set(_key(backend), certificate, PROBE_CACHE_SECONDS)
    return certificate
