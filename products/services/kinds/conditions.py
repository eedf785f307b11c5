"""Conditions, and what they decide: settings of requests, caching, responses and limits."""

from products.services.kinds.carried import comment, condition_name
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
            choice_labels={
                "REQUEST": "Request",
                "CACHE": "Cache",
                "RESPONSE": "Response",
                "PREFETCH": "Fetch",
            },
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
        choice(
            "action",
            ("lookup", "pass", ""),
            nullable=True,
            choice_labels={"lookup": "Look up in the cache", "pass": "Pass"},
        ),
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
            choice_labels={
                "clear": "Remove",
                "leave": "Leave unchanged",
                "append": "Append",
                "append_all": "Append, also from other edges",
                "overwrite": "Replace",
            },
            label="X-Forwarded-For",
        ),
        condition_name("request", nullable=True, default="", group="Conditions"),
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
        choice(
            "action",
            ("pass", "cache", "restart"),
            nullable=True,
            choice_labels={"pass": "Pass", "cache": "Cache", "restart": "Restart"},
        ),
        number("ttl", as_text=True, unit="seconds"),
        number("stale_ttl", as_text=True, unit="seconds"),
        condition_name("cache", nullable=True, default="", group="Conditions"),
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
        condition_name("cache", nullable=True, default="", group="Conditions"),
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
        condition_name("request", nullable=True, default="", group="Conditions"),
        condition_name("cache", nullable=True, default="", group="Conditions"),
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
        texts(
            "client_key",
            max_length=255,
            help="VCL variables, such as req.http.Fastly-Client-IP.",
        ),
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
        choice(
            "action",
            ("response", "response_object", "log_only"),
            choice_labels={
                "response": "Send the response below",
                "response_object": "Send a response object",
                "log_only": "Only log",
            },
        ),
        Field(
            name="response",
            type=Type.OBJECT,
            nullable=True,
            help='JSON, such as {"status": 429, "content_type": "text/plain", "content": "Too many requests"}.',
            keys={
                "status": Type.NUMBER,
                "content_type": Type.TEXT,
                "content": Type.TEXT,
            },
        ),
        text(
            "response_object_name",
            max_length=255,
            nullable=True,
            empty_is_unset=True,
            refers_to="response_object",
            no_value="No response object",
        ),
        text(
            "uri_dictionary_name",
            max_length=255,
            nullable=True,
            empty_is_unset=True,
            refers_to="dictionary",
            no_value="All paths",
        ),
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
        texts(
            "domains",
            max_length=255,
            help="Domains without www, such as example.com. Requests are redirected to www.",
        ),
        choice(
            "status_code",
            (301, 302, 307, 308),
            choice_labels={
                301: "301 Moved Permanently",
                302: "302 Found",
                307: "307 Temporary Redirect",
                308: "308 Permanent Redirect",
            },
        ),
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
