"""Health checks, directors and pools."""

from products.services.kinds.carried import (
    comment,
    condition_name,
    healthcheck_name,
    host,
    override_host,
    shield,
)
from products.services.kinds.fields import (
    choice,
    flag,
    long_text,
    number,
    secret,
    text,
    texts,
)
from products.services.kinds.kind import VCL_ONLY, Kind, without

HEALTHCHECK = Kind(
    segment="healthcheck",
    label="Health check",
    not_found="Healthcheck",
    details="healthchecks",
    fields=(
        text("host", max_length=255),
        text("path", max_length=255),
        text("method", max_length=20),
        text("http_version", max_length=8, default="1.1", label="HTTP version"),
        number("expected_response", label="Expected status"),
        number("check_interval", minimum=1000, maximum=3_600_000, unit="milliseconds"),
        number("timeout", unit="milliseconds"),
        number("window", help="How many of the last checks count."),
        number("threshold", help="How many of them must succeed."),
        number("initial", help="How many count as successful at the start."),
        texts("headers", help="Such as Accept: text/plain."),
        comment(default=""),
    ),
)

DIRECTOR = Kind(
    segment="director",
    label="Director",
    details="directors",
    services=VCL_ONLY,
    fixed_name=True,
    name_problem=without("/backend/"),
    fields=(
        choice(
            "type",
            (1, 3, 4, 2),
            default=1,
            choice_labels={
                1: "Random",
                3: "Hash of the URL",
                4: "Hash of the client",
                2: "Round robin",
            },
        ),
        number("quorum", maximum=100, default=75, unit="percent"),
        number("retries", default=5),
        number("capacity", default=100),
        shield(),
        comment(default=""),
        texts(
            "backends",
            default=[],
            refers_to="backend",
            help="Backends of this version.",
        ),
    ),
)

POOL = Kind(
    segment="pool",
    label="Pool",
    version_as_text=True,
    shows_id=True,
    services=VCL_ONLY,
    fields=(
        choice(
            "type",
            ("random", "hash", "client"),
            default="random",
            choice_labels={
                "random": "Random",
                "hash": "Hash of the URL",
                "client": "Hash of the client",
            },
        ),
        number(
            "quorum",
            as_text=True,
            number_when_created=True,
            maximum=100,
            default=75,
            unit="percent",
        ),
        number(
            "max_conn_default", as_text=True, default=200, label="Maximum connections"
        ),
        number(
            "connect_timeout",
            as_text=True,
            default=1000,
            unit="milliseconds",
            group="Timeouts",
        ),
        number(
            "first_byte_timeout",
            as_text=True,
            default=15000,
            unit="milliseconds",
            group="Timeouts",
        ),
        number(
            "between_bytes_timeout",
            as_text=True,
            default=10000,
            unit="milliseconds",
            group="Timeouts",
        ),
        override_host(),
        healthcheck_name(),
        shield(),
        condition_name("request", nullable=True),
        flag("use_tls", as_text=True, default=False, label="Enable TLS", group="TLS"),
        flag("tls_check_cert", as_text=True, nullable=True, default=True, group="TLS"),
        long_text("tls_ca_cert", nullable=True, group="TLS"),
        host("tls_cert_hostname", nullable=True, group="TLS"),
        host("tls_sni_hostname", nullable=True, group="TLS"),
        text("tls_ciphers", max_length=500, nullable=True, group="TLS"),
        long_text("tls_client_cert", nullable=True, private=True, group="TLS"),
        secret("tls_client_key", nullable=True, group="TLS"),
        number("min_tls_version", nullable=True, group="TLS"),
        number("max_tls_version", nullable=True, group="TLS"),
        comment(default=""),
    ),
)

LOAD_BALANCING_KINDS = (HEALTHCHECK, DIRECTOR, POOL)
