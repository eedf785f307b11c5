"""The parts of a version: domains, backends, headers, snippets, VCL files, log endpoints."""

from typing import Any, ClassVar

from django.db import models

from products.services.models.service import Version


class Part(models.Model):
    """A part of a version, found by its name."""

    version = models.ForeignKey(
        Version, on_delete=models.CASCADE, related_name="%(class)ss"
    )
    name = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects: ClassVar = models.Manager()

    # What a user can set besides the name, in the order in which it is shown.
    FIELDS: ClassVar[tuple[str, ...]] = ()

    class Meta:
        abstract = True
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version", "name"],
                name="%(class)s_name_is_unique_in_the_version",
                violation_error_message="The version has one of this name.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def column(cls, field: str) -> "models.Field[Any, Any]":
        """Return the column of a field."""
        column = cls._meta.get_field(field)
        assert isinstance(column, models.Field)  # noqa: S101 - for the type alone
        return column


class Domain(Part):
    """A host name of the version, in lower case."""

    comment = models.CharField(max_length=500, blank=True)

    FIELDS = ("comment",)

    class Meta(Part.Meta):
        # A name is looked up across all services before a version is activated.
        indexes: ClassVar = [models.Index(fields=["name"], name="domain_by_name")]


class Backend(Part):
    """A backend. WebSocket connections use only four of its settings (R8).

    Times are milliseconds, as in Fastly's API; `keepalive_time` and the TCP settings are seconds.
    """

    address = models.CharField(max_length=255)
    port = models.PositiveIntegerField(default=80)
    use_ssl = models.BooleanField(default=False)
    override_host = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    comment = models.CharField(max_length=500, blank=True)
    weight = models.PositiveIntegerField(default=100)
    max_conn = models.PositiveIntegerField(default=200)
    max_use = models.PositiveIntegerField(null=True, blank=True)
    max_lifetime = models.PositiveIntegerField(null=True, blank=True)
    connect_timeout = models.PositiveIntegerField(default=1000)
    first_byte_timeout = models.PositiveIntegerField(default=15000)
    between_bytes_timeout = models.PositiveIntegerField(default=10000)
    fetch_timeout = models.PositiveIntegerField(null=True, blank=True)
    error_threshold = models.PositiveIntegerField(default=0)
    keepalive_time = models.PositiveIntegerField(null=True, blank=True)
    auto_loadbalance = models.BooleanField(default=False)
    prefer_ipv6 = models.BooleanField(default=False)
    request_condition = models.CharField(max_length=255, blank=True)
    healthcheck = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    shield = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    share_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    ssl_check_cert = models.BooleanField(default=True)
    ssl_ca_cert = models.TextField(null=True, blank=True)  # noqa: DJ001
    ssl_cert_hostname = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    ssl_sni_hostname = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    ssl_hostname = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    ssl_ciphers = models.CharField(max_length=500, null=True, blank=True)  # noqa: DJ001
    ssl_client_cert = models.TextField(null=True, blank=True)  # noqa: DJ001
    ssl_client_key = models.TextField(null=True, blank=True)  # noqa: DJ001
    client_cert = models.TextField(null=True, blank=True)  # noqa: DJ001
    min_tls_version = models.CharField(max_length=8, null=True, blank=True)  # noqa: DJ001
    max_tls_version = models.CharField(max_length=8, null=True, blank=True)  # noqa: DJ001
    tcp_keepalive_enable = models.BooleanField(null=True, blank=True)
    tcp_keepalive_probes = models.PositiveIntegerField(null=True, blank=True)
    tcp_keepalive_interval = models.PositiveIntegerField(null=True, blank=True)
    tcp_keepalive_time = models.PositiveIntegerField(null=True, blank=True)

    FIELDS = (
        "address",
        "port",
        "use_ssl",
        "override_host",
        "comment",
        "weight",
        "max_conn",
        "max_use",
        "max_lifetime",
        "connect_timeout",
        "first_byte_timeout",
        "between_bytes_timeout",
        "fetch_timeout",
        "error_threshold",
        "keepalive_time",
        "auto_loadbalance",
        "prefer_ipv6",
        "request_condition",
        "healthcheck",
        "shield",
        "share_key",
        "ssl_check_cert",
        "ssl_ca_cert",
        "ssl_cert_hostname",
        "ssl_sni_hostname",
        "ssl_hostname",
        "ssl_ciphers",
        "ssl_client_cert",
        "ssl_client_key",
        "client_cert",
        "min_tls_version",
        "max_tls_version",
        "tcp_keepalive_enable",
        "tcp_keepalive_probes",
        "tcp_keepalive_interval",
        "tcp_keepalive_time",
    )

    class Meta(Part.Meta):
        constraints: ClassVar = [
            *Part.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(port__lte=65535),
                name="backend_port_is_valid",
                violation_error_message="A port is a number from 0 to 65535.",
            ),
        ]


class Header(Part):
    """A header rule. Request headers set, appended or deleted reach the origin (R11)."""

    class Action(models.TextChoices):
        """Fastly's five actions."""

        SET = "set"
        APPEND = "append"
        DELETE = "delete"
        REGEX = "regex"
        REGEX_REPEAT = "regex_repeat"

    class Type(models.TextChoices):
        """The message that the rule changes."""

        REQUEST = "request"
        CACHE = "cache"
        RESPONSE = "response"

    action = models.CharField(max_length=12, choices=Action.choices)
    type = models.CharField(max_length=8, choices=Type.choices)
    dst = models.CharField(max_length=255)
    src = models.CharField(max_length=1000, blank=True)
    regex = models.CharField(max_length=500, blank=True)
    substitution = models.CharField(max_length=500, blank=True)
    ignore_if_set = models.BooleanField(default=False)
    priority = models.PositiveIntegerField(default=100)
    request_condition = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    cache_condition = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    response_condition = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001

    FIELDS = (
        "action",
        "type",
        "dst",
        "src",
        "regex",
        "substitution",
        "ignore_if_set",
        "priority",
        "request_condition",
        "cache_condition",
        "response_condition",
    )

    class Meta(Part.Meta):
        constraints: ClassVar = [
            *Part.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(
                    action__in=["set", "append", "delete", "regex", "regex_repeat"]
                ),
                name="header_action_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(type__in=["request", "cache", "response"]),
                name="header_type_is_known",
            ),
        ]


class Snippet(Part):
    """A piece of VCL; saved, shown and searched for `return(upgrade)`, but not run by the edge."""

    class Type(models.TextChoices):
        """The subroutine that the piece belongs to."""

        INIT = "init"
        RECV = "recv"
        HASH = "hash"
        HIT = "hit"
        MISS = "miss"
        PASS = "pass"  # noqa: S105 - a subroutine's name
        FETCH = "fetch"
        ERROR = "error"
        DELIVER = "deliver"
        LOG = "log"
        NONE = "none"

    type = models.CharField(max_length=8, choices=Type.choices, default=Type.RECV)
    content = models.TextField()
    priority = models.PositiveIntegerField(default=100)
    dynamic = models.BooleanField(default=False)

    FIELDS = ("type", "content", "priority", "dynamic")


class Vcl(Part):
    """A VCL file; saved, shown and searched for `return(upgrade)`, but not run by the edge."""

    content = models.TextField()
    main = models.BooleanField(default=False)

    FIELDS = ("content", "main")


class LogEndpoint(Part):
    """Where log lines are sent (R10); kinds other than https and syslog are only saved."""

    kind = models.CharField(max_length=20)
    address = models.CharField(max_length=500)
    fields = models.JSONField(default=list)

    FIELDS = ("kind", "address", "fields")


# In the order in which parts are shown, cloned and compared.
PART_KINDS: dict[str, type[Part]] = {
    "domain": Domain,
    "backend": Backend,
    "header": Header,
    "snippet": Snippet,
    "vcl": Vcl,
    "log_endpoint": LogEndpoint,
}
