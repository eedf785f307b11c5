"""Conditions, and what they decide: settings of requests, caching, responses and limits."""

from products.services.kinds.carried import CONDITION_HELP, comment
from products.services.kinds.fields import (
    Field,
    Type,
    choice,
    flag,
    long_text,
    number,
    text,
    texts,
)
from products.services.kinds.kind import VCL_ONLY, Ids, Key, Kind, needed

LOGGER_TYPES = (
    "azureblob", "bigquery", "cloudfiles", "datadog", "digitalocean", "elasticsearch", "ftp",
    "gcs", "googleanalytics", "heroku", "honeycomb", "http", "https", "kafka", "kinesis",
    "logentries", "loggly", "logshuttle", "newrelic", "newrelicotlp", "openstack", "papertrail",
    "pubsub", "s3", "scalyr", "sftp", "splunk", "stackdriver", "sumologic", "syslog",
)  # fmt: skip


def condition_name(which: str, **declared: object) -> Field:
    """Declare the name of a condition."""
    return text(
        f"{which}_condition",
        max_length=255,
        nullable=True,
        help=CONDITION_HELP,
        group="Conditions",
        **declared,
    )


CONDITION = Kind(
    segment="condition",
    label="Condition",
    details="conditions",
    version_as_text=True,
    services=VCL_ONLY,
    fields=(
        choice(
            "type",
            ("REQUEST", "CACHE", "RESPONSE", "PREFETCH"),
            required=True,
            help="What the statement can look at.",
        ),
        text(
            "statement",
            lines=True,
            required=True,
            help='In VCL, such as req.url ~ "^/admin".',
        ),
        number("priority", as_text=True, default=100),
        comment(default=""),
    ),
)

REQUEST_SETTINGS = Kind(
    segment="request_settings",
    label="Request setting",
    not_found="RequestSettings",
    details="request_settings",
    version_as_text=True,
    services=VCL_ONLY,
    fields=(
        choice("action", ("lookup", "pass", ""), nullable=True),
        text("default_host", max_length=255, nullable=True),
        flag("force_miss", as_text=True, nullable=True),
        flag("force_ssl", as_text=True, label="Force TLS"),
        flag("bypass_busy_wait", as_text=True, nullable=True),
        flag("geo_headers", as_text=True, nullable=True),
        flag("timer_support", as_text=True, nullable=True),
        text("hash_keys", nullable=True),
        number("max_stale_age", as_text=True, nullable=True, unit="seconds"),
        choice(
            "xff",
            ("clear", "leave", "append", "append_all", "overwrite"),
            nullable=True,
            label="X-Forwarded-For",
        ),
        condition_name("request", default=""),
    ),
)

CACHE_SETTINGS = Kind(
    segment="cache_settings",
    label="Cache setting",
    not_found="CacheSettings",
    details="cache_settings",
    version_as_text=True,
    services=VCL_ONLY,
    fields=(
        choice("action", ("pass", "cache", "restart"), nullable=True),
        number("ttl", as_text=True, unit="seconds"),
        number("stale_ttl", as_text=True, unit="seconds"),
        condition_name("cache", default=""),
    ),
)

GZIP = Kind(
    segment="gzip",
    label="Gzip setting",
    not_found="Gzip",
    details="gzips",
    version_as_text=True,
    services=VCL_ONLY,
    fields=(
        text(
            "content_types",
            nullable=True,
            default="text/html application/x-javascript text/css application/javascript "
            "text/javascript application/json application/vnd.ms-fontobject "
            "application/x-font-opentype application/x-font-truetype application/x-font-ttf "
            "application/xml font/eot font/opentype font/otf image/svg+xml "
            "image/vnd.microsoft.icon text/plain text/xml",
            help="Separated by spaces.",
        ),
        text(
            "extensions",
            nullable=True,
            default="css js html eot ico otf ttf json",
            help="File name extensions, separated by spaces.",
        ),
        condition_name("cache", default=""),
    ),
)

RESPONSE_OBJECT = Kind(
    segment="response_object",
    label="Response object",
    not_found="ResponseObject",
    details="response_objects",
    version_as_text=True,
    services=VCL_ONLY,
    fields=(
        number("status", as_text=True, default=200),
        text("response", default="Ok", label="Reason phrase"),
        long_text("content"),
        text("content_type", max_length=255, nullable=True),
        condition_name("request", default=""),
        condition_name("cache", default=""),
    ),
)

RATE_LIMITER = Kind(
    segment="rate-limiters",
    label="Rate limiter",
    event="rate_limiter",
    key=Key.ID,
    ids=Ids.NEW,
    shows_id=True,
    services=VCL_ONLY,
    checks=(
        needed("response", when="action", equals="response"),
        needed("response_object_name", when="action", equals="response_object"),
    ),
    fields=(
        number("rps_limit", minimum=10, maximum=10_000, label="Requests per second"),
        choice("window_size", (1, 10, 60), unit="seconds"),
        number("penalty_box_duration", minimum=1, maximum=60, unit="minutes"),
        texts("client_key", max_length=255, help="VCL variables, such as req.http.X."),
        texts(
            "http_methods",
            choices=(
                "HEAD",
                "OPTIONS",
                "GET",
                "POST",
                "PUT",
                "PATCH",
                "DELETE",
                "TRACE",
            ),
            label="HTTP methods",
        ),
        choice("action", ("response", "response_object", "log_only")),
        Field(
            name="response",
            type=Type.OBJECT,
            nullable=True,
            keys={
                "status": Type.NUMBER,
                "content_type": Type.TEXT,
                "content": Type.TEXT,
            },
        ),
        text("response_object_name", max_length=255, nullable=True),
        text("uri_dictionary_name", max_length=255, nullable=True),
        choice("logger_type", LOGGER_TYPES),
        number("feature_revision", default=1),
        flag("feature_update_available", read_only=True, nullable=True, default=False),
    ),
)

APEX_REDIRECT = Kind(
    segment="apex-redirects",
    label="Apex redirect",
    event="apex_redirect",
    key=Key.ID,
    named=False,
    ids=Ids.NEW,
    shows_id=True,
    services=VCL_ONLY,
    fields=(
        texts("domains", max_length=255),
        choice("status_code", (301, 302, 307, 308)),
        number("feature_revision", minimum=1),
    ),
)

CONDITION_KINDS = (
    CONDITION,
    REQUEST_SETTINGS,
    CACHE_SETTINGS,
    GZIP,
    RESPONSE_OBJECT,
    RATE_LIMITER,
    APEX_REDIRECT,
)
