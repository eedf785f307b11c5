"""Probes of origins' certificates, and their cache (R9)."""

import hashlib

from django.conf import settings
from django.core.cache import cache

from accounts.rate_limit import consume
from products.compatibility.version_config import (
    BackendConfig,
    OriginCertificate,
    VersionConfig,
)
from products.deploy.origin_probe import probe_origin

# Long enough that a page and the deployment after it probe once; short enough to see a new one.
PROBE_CACHE_SECONDS = 60
# Customers choose the addresses that are probed, so that probes must not serve for port scans.
PROBES_PER_HOUR = 120


def cached_certificates(config: VersionConfig) -> tuple[OriginCertificate, ...]:
    """Return what the cache has of the origin that gets connections; opens no connection."""
    found = ((backend, cache.get(_key(backend))) for backend in _probed(config))
    # The cache is by address: another service may call the same origin by another name.
    return tuple(
        OriginCertificate(backend.name, known.kind, known.detail)
        for backend, known in found
        if known is not None
    )


def probe_certificates(
    config: VersionConfig, account_id: str
) -> tuple[OriginCertificate, ...]:
    """Probe the origin that gets connections, unless that was done within the last minute.

    Takes at most 3 seconds. For an account at its rate limit the origin counts as unreachable:
    a warning, since the edge checks the certificate again. Not inside a transaction.
    """
    return tuple(_probe(backend, account_id) for backend in _probed(config))


def _probed(config: VersionConfig) -> tuple[BackendConfig, ...]:
    """Return the backend that gets connections, if it uses TLS."""
    backend = config.connection_backend
    return (backend,) if backend is not None and backend.use_ssl else ()


def _key(backend: BackendConfig) -> str:
    # Two host names can be longer than a cache key.
    probed = f"{backend.address}\n{backend.port}\n{backend.checked_name}"
    return f"probe:{hashlib.sha256(probed.encode()).hexdigest()}"


def _probe(backend: BackendConfig, account_id: str) -> OriginCertificate:
    known: OriginCertificate | None = cache.get(_key(backend))
    if known is not None:
        return OriginCertificate(backend.name, known.kind, known.detail)
    if consume(f"probes:{account_id}", PROBES_PER_HOUR) < 0:
        return OriginCertificate(
            backend.name,
            "unreachable",
            "This account has used its probes for this hour.",
        )
    result = probe_origin(
        backend.address,
        backend.port,
        name=backend.checked_name,
        allowed_private=settings.PRIVATE_ORIGINS,
        ca_file=settings.ORIGIN_CA_FILE,
    )
    certificate = OriginCertificate(backend.name, result.kind, result.detail)
    cache.set(_key(backend), certificate, PROBE_CACHE_SECONDS)
    return certificate
