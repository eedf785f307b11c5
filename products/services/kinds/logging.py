"""Log endpoints: 28 kinds. The edge sends lines to https and syslog (R10), and stores the others.

Names of log endpoints are unique over all kinds of a version. Fastly calls each of them "syslog"
when it does not find one.
"""

import re
from dataclasses import replace

from products import protocol
from products.edge.access_log import has_readable_certificates
from products.edge.contract import LogTls
from products.services.kinds.carried import condition_name
from products.services.kinds.fields import (
    Field,
    Values,
    choice,
    flag,
    long_text,
    number,
    secret,
    text,
)
from products.services.kinds.kind import (
    Check,
    Kind,
    Problems,
    exclusive,
    needed,
    never_idle,
    unchanged,
)

CLASSIC_FORMAT = '%h %l %u %t "%r" %>s %b'
DEFAULT_SYSLOG_PORT = 514
MESSAGE_TYPES = ("blank", "classic", "loggly", "logplex")
FILE_CODECS = ("zstd", "snappy", "gzip")
REGIONS = ("none", "eu", "us")
KINESIS_REGIONS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "af-south-1", "ap-east-1", "ap-south-1",
    "ap-northeast-3", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1",
    "ca-central-1", "cn-north-1", "cn-northwest-1", "eu-central-1", "eu-west-1", "eu-west-2",
    "eu-south-1", "eu-west-3", "eu-north-1", "me-south-1", "sa-east-1",
)  # fmt: skip
S3_REDUNDANCY = (
    "standard", "intelligent_tiering", "standard_ia", "onezone_ia", "glacier_ir", "glacier",
    "deep_archive", "reduced_redundancy",
)  # fmt: skip
S3_ACLS = (
    "private", "public-read", "public-read-write", "aws-exec-read", "authenticated-read",
    "bucket-owner-read", "bucket-owner-full-control",
)  # fmt: skip

CODEC_AND_LEVEL = "'compression_codec' and 'gzip_level' cannot be set simultaneously"
ROLE_AND_KEYS = (
    "'iam_role' can't be used when 'access_key' or 'secret_key' are provided"
)
_ARN = re.compile(r"[^:\s]*(:[^:\s]*){4}:\S*")


def _arn_problem(value: str) -> str:
    if _ARN.fullmatch(value):
        return ""
    return (
        f"invalid IAM Role ARN {value}: ARNs must have six colon-separated components"
    )


def _new_relic_region_problem(value: str) -> str:
    return "" if value.upper() in {"US", "EU"} else f"unrecognized region {value}"


# What every log endpoint has. The edge writes lines of JSON; of a format it reads the names of
# request headers, which it adds to the line.
_FORMAT_VERSION = choice(
    "format_version", (1, 2), as_text=True, default=2, group="Line", carried=False
)
_CONDITIONS = (
    choice(
        "placement",
        ("none",),
        nullable=True,
        null_word="null",
        choice_labels={"none": "None: only your VCL writes lines"},
        no_value="Automatic",
        group="Line",
        carried=False,
    ),
    condition_name("response", nullable=True, default="", carried=False),
)
COMMON = (_FORMAT_VERSION, *_CONDITIONS)
MESSAGE_LABELS = {
    "blank": "None",
    "classic": "Classic syslog",
    "loggly": "Loggly",
    "logplex": "Heroku Logplex",
}
CODEC_LABELS = {"zstd": "Zstandard", "snappy": "Snappy", "gzip": "Gzip"}
REGION = choice(
    "log_processing_region",
    REGIONS,
    default="none",
    choice_labels={
        "none": "Anywhere",
        "eu": "European Union",
        "us": "United States",
    },
    group="Line",
    carried=False,
)


def _format(default: str | None) -> Field:
    return long_text(
        "format",
        default=default,
        group="Line",
        help="The edge adds the request headers that it names, such as %{User-Agent}i, to a line of JSON.",
    )


LOG = (_format(CLASSIC_FORMAT), *COMMON, REGION)
# The kinds whose receivers want JSON have no usual format.
JSON_LOG = (_format(None), *COMMON, REGION)
TLS = (
    long_text("tls_ca_cert", nullable=True, group="TLS", label="CA certificate"),
    text("tls_hostname", max_length=255, nullable=True, group="TLS"),
    # A certificate is often pasted together with its key.
    long_text(
        "tls_client_cert",
        nullable=True,
        private=True,
        group="TLS",
        label="Client certificate",
    ),
    secret("tls_client_key", nullable=True, group="TLS", label="Client key"),
)
USE_TLS = flag("use_tls", as_text=True, label="Use TLS", group="TLS")
MAX_BATCH_BYTES = number(
    "request_max_bytes", default=0, unit="bytes", group="Batches", carried=False
)
BATCH = (
    MAX_BATCH_BYTES,
    number(
        "request_max_entries", default=0, unit="lines", group="Batches", carried=False
    ),
)
FILE = (
    choice(
        "compression_codec",
        FILE_CODECS,
        choice_labels=CODEC_LABELS,
        no_value="No compression",
        group="File",
    ),
    choice(
        "message_type",
        MESSAGE_TYPES,
        default="blank",
        choice_labels=MESSAGE_LABELS,
        group="File",
    ),
    number("period", as_text=True, default=3600, unit="seconds", group="File"),
    text("timestamp_format", max_length=255, nullable=True, group="File"),
    long_text("public_key", nullable=True, group="File", label="PGP public key"),
)
GZIP_LEVEL = number(
    "gzip_level", as_text=True, maximum=9, default=0, group="File", label="Gzip level"
)
PATH = text("path", nullable=True, group="File")
FILE_BYTES = number(
    "file_max_bytes",
    minimum=1_048_576,
    unit="bytes",
    group="File",
    label="Maximum size of a file",
)
READ_ONLY_KEY = text("public_key", read_only=True, nullable=True)
MESSAGE_TYPE = choice(
    "message_type",
    MESSAGE_TYPES,
    choice_labels=MESSAGE_LABELS,
    group="Line",
    carried=False,
)

ONE_CODEC = exclusive("compression_codec", "gzip_level", CODEC_AND_LEVEL)
ROLE_OR_KEYS = (
    exclusive("iam_role", "access_key", ROLE_AND_KEYS),
    exclusive("iam_role", "secret_key", ROLE_AND_KEYS),
)


def _one_codec(changes: Values) -> Values:
    """Clear the codec if the level is set, and the level if the codec is, as Fastly does."""
    level = changes.get("gzip_level") not in (None, "", 0, "0")
    codec = bool(changes.get("compression_codec"))
    if level and "compression_codec" not in changes:
        return dict(changes) | {"compression_codec": None}
    if codec and "gzip_level" not in changes:
        return dict(changes) | {"gzip_level": 0}
    return changes


def _field_value_problem(value: str) -> str:
    """Return what is wrong with the value of a header of each request."""
    return "" if protocol.is_field_value(value) else "Use printable characters only."


def _own_header_problem(name: str) -> str:
    """Return why a header can't be added to each request."""
    if protocol.is_protected_header(name):
        return f"The edge sends {name} itself. Choose another header."
    return protocol.header_name_problem(name)


def _why_idle(values: Values) -> str:
    """Say why the edge sends no lines to an endpoint; it never sends one that is not meant."""
    if values.get("response_condition"):
        return "the edge does not check its response condition"
    if values.get("placement") == "none":
        return "its placement leaves the lines to VCL, which the edge does not run"
    tls = log_tls(values)
    if tls.client_key and not tls.client_cert:
        return "its client key has no certificate"
    if not has_readable_certificates(tls):
        return "its certificates or key can't be read"
    return ""


def log_tls(values: Values) -> LogTls:
    """Return the TLS settings of an endpoint."""
    names = ("tls_hostname", "tls_ca_cert", "tls_client_cert", "tls_client_key")
    return LogTls(*(str(values.get(name) or "") for name in names))


def _url(**declared: object) -> Field:
    return text("url", has_query=True, label="URL", **declared)


def _log(
    name: str,
    *fields: Field,
    label: str,
    proper_name: bool = True,
    log: tuple[Field, ...] = LOG,
    checks: tuple[Check, ...] = (),
    carried: bool = False,
) -> Kind:
    has_codec = {"compression_codec", "gzip_level"} <= {each.name for each in fields}
    return Kind(
        segment=f"logging/{name}",
        label=f"{label} log endpoint",
        proper_name=proper_name,
        event="logging",
        namespace="logging",
        not_found="syslog",
        version_as_text=True,
        carried=carried,
        idle=_why_idle if carried else never_idle,
        checks=(*checks, ONE_CODEC) if has_codec else checks,
        couple=_one_codec if has_codec else unchanged,
        fields=(*fields, *log),
    )


def _syslog_address(values: Values) -> Problems:
    """Ask for a host that the edge can reach; `hostname` is another name of `address`."""
    given = values.get("address") or values.get("hostname")
    port = values.get("port", DEFAULT_SYSLOG_PORT)
    host = f"[{given}]" if ":" in str(given) else given
    problem = protocol.endpoint_problem(f"{host}:{port}")
    yield "address", problem if given else "This field is required."


HTTPS = _log(
    "https",
    _url(required=True, problem=protocol.https_url_problem),
    choice("method", ("POST", "PUT"), default="POST"),
    text("content_type", max_length=255, nullable=True, problem=_field_value_problem),
    text(
        "header_name",
        max_length=255,
        nullable=True,
        problem=_own_header_problem,
        help="A header of each request, such as Authorization.",
    ),
    secret("header_value", nullable=True, problem=_field_value_problem),
    choice(
        "json_format",
        ("0", "1", "2"),
        choice_labels={"0": "Off", "1": "Array", "2": "One object per line"},
        group="Line",
        carried=False,
    ),
    MESSAGE_TYPE,
    number("period", default=5, unit="seconds", group="Batches", carried=False),
    *BATCH,
    text("compression_codec", max_length=20, nullable=True, carried=False),
    number("gzip_level", maximum=9, nullable=True, default=0, carried=False),
    *TLS,
    flag("add_batch_size_header", read_only=True, nullable=True, default=False),
    label="HTTPS",
    carried=True,
)

SYSLOG = _log(
    "syslog",
    text(
        "address",
        max_length=255,
        derive=lambda values: values.get("hostname"),
        help="A host name or an IP address.",
    ),
    text(
        "hostname",
        max_length=255,
        derive=lambda values: values.get("address"),
    ),
    text("ipv4", max_length=15, nullable=True),
    number("port", maximum=protocol.MAX_PORT, default=DEFAULT_SYSLOG_PORT),
    MESSAGE_TYPE,
    secret("token", nullable=True, help="Written before each line."),
    USE_TLS,
    *TLS,
    READ_ONLY_KEY,
    label="Syslog",
    proper_name=False,
    checks=(_syslog_address,),
    carried=True,
)

LOGGING_KINDS = (
    HTTPS,
    SYSLOG,
    _log(
        "azureblob",
        text("account_name"),
        text("container"),
        secret("sas_token"),
        PATH,
        FILE_BYTES,
        *FILE,
        GZIP_LEVEL,
        label="Azure Blob Storage",
    ),
    _log(
        "bigquery",
        text("project_id"),
        text("dataset"),
        text("table"),
        text("template_suffix", nullable=True),
        text("user"),
        secret("secret_key"),
        text("account_name"),
        label="BigQuery",
    ),
    _log(
        "cloudfiles",
        text("user"),
        secret("access_key"),
        text("bucket_name"),
        choice(
            "region",
            ("DFW", "ORD", "IAD", "LON", "SYD", "HKG"),
            nullable=True,
            null_word="null",
        ),
        PATH,
        *FILE,
        GZIP_LEVEL,
        label="Cloud Files",
    ),
    _log(
        "datadog",
        secret("token"),
        choice(
            "region",
            ("US", "US3", "US5", "EU", "EU1", "AP1", "EU (legacy, same as EU1)"),
            default="US",
        ),
        label="Datadog",
        log=JSON_LOG,
    ),
    _log(
        "digitalocean",
        text("bucket_name"),
        secret("access_key"),
        secret("secret_key"),
        text("domain", default="nyc3.digitaloceanspaces.com"),
        PATH,
        *FILE,
        GZIP_LEVEL,
        text("redundancy", read_only=True, nullable=True),
        label="DigitalOcean Spaces",
    ),
    _log(
        "elasticsearch",
        _url(),
        text("index"),
        text("pipeline", nullable=True),
        text("user", nullable=True),
        secret("password", nullable=True),
        *BATCH,
        *TLS,
        label="Elasticsearch",
    ),
    _log(
        "ftp",
        text("address"),
        number("port", as_text=True, maximum=protocol.MAX_PORT, default=21),
        text("user"),
        secret("password"),
        text("path", group="File"),
        *FILE,
        GZIP_LEVEL,
        text("hostname", default="example.com"),
        text("ipv4"),
        label="FTP",
    ),
    _log(
        "gcs",
        text("bucket_name"),
        text("user"),
        secret("secret_key"),
        text("account_name"),
        text("project_id"),
        text("path", default="/", group="File"),
        *FILE,
        GZIP_LEVEL,
        label="Google Cloud Storage",
    ),
    _log(
        "grafanacloudlogs",
        _url(),
        text("user"),
        secret("token"),
        text("index"),
        text("message_type", nullable=True, group="Line"),
        label="Grafana Cloud Logs",
    ),
    _log("heroku", _url(), secret("token"), label="Heroku"),
    _log("honeycomb", text("dataset"), secret("token"), label="Honeycomb"),
    _log(
        "kafka",
        text("brokers", help="Separated by commas."),
        text("topic"),
        choice(
            "required_acks",
            (1, 0, -1),
            default=1,
            choice_labels={1: "One server", 0: "None", -1: "All servers"},
        ),
        choice(
            "compression_codec",
            ("gzip", "snappy", "lz4"),
            nullable=True,
            choice_labels={"gzip": "Gzip", "snappy": "Snappy", "lz4": "LZ4"},
            no_value="No compression",
            null_word="null",
        ),
        choice(
            "auth_method",
            ("plain", "scram-sha-256", "scram-sha-512"),
            choice_labels={
                "plain": "Plain",
                "scram-sha-256": "SCRAM-SHA-256",
                "scram-sha-512": "SCRAM-SHA-512",
            },
            no_value="No authentication",
        ),
        text("user"),
        secret("password"),
        flag("parse_log_keyvals"),
        MAX_BATCH_BYTES,
        USE_TLS,
        *TLS,
        label="Kafka",
        log=(
            _format(CLASSIC_FORMAT),
            replace(_FORMAT_VERSION, number_when_created=True),
            *_CONDITIONS,
            REGION,
        ),
    ),
    _log(
        "kinesis",
        text("topic", label="Stream"),
        choice("region", KINESIS_REGIONS),
        secret("access_key", nullable=True),
        secret("secret_key", nullable=True),
        text("iam_role", nullable=True, problem=_arn_problem),
        label="Kinesis",
        log=(
            _format(None),
            *COMMON,
            text("log_processing_region", nullable=True, default="none", group="Line"),
        ),
        checks=ROLE_OR_KEYS,
    ),
    _log(
        "logentries",
        secret("token"),
        number("port", maximum=protocol.MAX_PORT, default=20000),
        choice("region", ("US", "US-2", "US-3", "EU", "CA", "AU", "AP", "us", "ap")),
        USE_TLS,
        text("hostname", read_only=True, nullable=True),
        READ_ONLY_KEY,
        label="Logentries",
    ),
    _log("loggly", secret("token"), READ_ONLY_KEY, label="Loggly"),
    _log("logshuttle", _url(), secret("token", nullable=True), label="Log Shuttle"),
    _log(
        "newrelic",
        secret("token"),
        text(
            "region",
            default="US",
            empty_is_unset=True,
            problem=_new_relic_region_problem,
            choice_labels={"US": "United States", "EU": "European Union"},
        ),
        label="New Relic",
        log=JSON_LOG,
    ),
    _log(
        "newrelicotlp",
        secret("token"),
        choice("region", ("US", "EU"), help="US if this is not set."),
        _url(nullable=True),
        label="New Relic OTLP",
        log=JSON_LOG,
    ),
    _log(
        "openstack",
        _url(),
        text("user"),
        secret("access_key"),
        text("bucket_name"),
        PATH,
        *FILE,
        GZIP_LEVEL,
        label="OpenStack",
    ),
    _log(
        "papertrail",
        text("address"),
        number("port", maximum=protocol.MAX_PORT, default=DEFAULT_SYSLOG_PORT),
        READ_ONLY_KEY,
        label="Papertrail",
    ),
    _log(
        "pubsub",
        text("project_id"),
        text("topic"),
        text("user"),
        secret("secret_key"),
        text("account_name"),
        label="Google Pub/Sub",
    ),
    _log(
        "s3",
        text("bucket_name"),
        text("domain"),
        secret("access_key", nullable=True),
        secret("secret_key", nullable=True),
        text("iam_role", nullable=True, problem=_arn_problem),
        choice("redundancy", S3_REDUNDANCY, nullable=True),
        choice("acl", S3_ACLS, label="ACL"),
        choice(
            "server_side_encryption",
            ("AES256", "aws:kms"),
            nullable=True,
            choice_labels={"AES256": "AES-256", "aws:kms": "AWS KMS"},
            no_value="No encryption",
        ),
        text("server_side_encryption_kms_key_id", nullable=True),
        PATH,
        FILE_BYTES,
        *FILE,
        GZIP_LEVEL,
        label="Amazon S3",
        checks=(
            *ROLE_OR_KEYS,
            needed(
                "server_side_encryption_kms_key_id",
                when="server_side_encryption",
                equals="aws:kms",
            ),
        ),
    ),
    _log(
        "scalyr",
        secret("token"),
        choice("region", ("US", "EU"), default="US"),
        text("project_id", help="logplex if this is not set."),
        label="Scalyr",
    ),
    _log(
        "sftp",
        text("address"),
        number("port", as_text=True, maximum=protocol.MAX_PORT, default=22),
        text("user"),
        secret("password"),
        secret("secret_key", nullable=True),
        long_text("ssh_known_hosts"),
        PATH,
        *FILE,
        number("gzip_level", maximum=9, default=0, group="File", label="Gzip level"),
        label="SFTP",
    ),
    _log("splunk", _url(), secret("token"), *BATCH, USE_TLS, *TLS, label="Splunk"),
    _log(
        "sumologic",
        secret("url", label="URL"),
        MESSAGE_TYPE,
        text("address", nullable=True),
        label="Sumo Logic",
    ),
)
