"""What the operations on services, products, statistics and webhooks read and answer."""

import json
from collections.abc import Mapping
from typing import Final

import msgspec

from portal.openapi.kinds import MSG, STATUS_OK, component_name, times
from portal.openapi.schemas import (
    JSON,
    PLAIN,
    Described,
    Schema,
    anything,
    array,
    by_key,
    choice,
    flag,
    moment,
    nullable,
    number,
    obj,
    paged,
    ref,
    text,
    whole,
)
from products.api.decision import DecisionReader, DecisionView
from products.api.diff import Diff, FormatReader
from products.api.directors import DirectorBackend
from products.api.domain_claims import (
    ClaimReader,
    ClaimsQuery,
    DomainClaimDetail,
    DomainClaims,
    VerifyDomainClaim,
)
from products.api.domains import CheckDomain, CheckDomains
from products.api.edge import CredentialView, RouteTableView
from products.api.enabled_products import (
    AccountProductView,
    ProductConfiguration,
    ProductServices,
    ServiceProductView,
)
from products.api.entitlements import (
    DisablePreview,
    DisableProduct,
    DisableReader,
    EnablePreview,
    EnableProduct,
    EnableReader,
    Entitlements,
    OneEntitlement,
    PreviewReader,
    RequestProduct,
    RequestReader,
    StartTrial,
    TrialPreview,
    TrialReader,
)
from products.api.fastly_json import COMPUTE_DETAILS, EMPTY_LISTS
from products.api.ingest import IngestUsage
from products.api.items import DictionaryInfo
from products.api.services import (
    OneService,
    PagingReader,
    ServiceDetails,
    ServiceDomains,
    ServiceReader,
    Services,
    ServiceSearch,
)
from products.api.stats import (
    CONNECTION_FIELDS,
    GLOBAL,
    GROUPS,
    HTTP_FIELDS,
    PlatformMetrics,
    Realtime,
    StatsAggregate,
    StatsByService,
    StatsOfService,
    StatsRegions,
    StatsSummary,
    StatsUsage,
    StatsUsageByMonth,
    StatsUsageByService,
)
from products.api.stats_period import SLOTS
from products.api.usage import UsageReader, UsageView
from products.api.vcl import (
    Boilerplate,
    DynamicSnippet,
    GeneratedVcl,
    GeneratedVclContent,
    MainVclFile,
    VclDiff,
    VclFileHtml,
    VclFileText,
)
from products.api.verify import Verify
from products.api.versions import (
    Activate,
    Clone,
    Deactivate,
    Lock,
    OneVersion,
    Staging,
    Validate,
    VersionReader,
    Versions,
)
from products.api.webhooks import (
    LogReader,
    OneWebhook,
    ReplayReader,
    ReplayWebhook,
    ResendMessage,
    RotateReader,
    RotateSecret,
    SendTest,
    WebhookDeliveries,
    WebhookReader,
    Webhooks,
)
from products.compatibility.findings import Severity
from products.domains.models import DomainClaim
from products.edge.contract import NewCredential, RouteTable, UsageAnswer, UsageReport
from products.enablement.configuration import OPTIONS
from products.services.kinds import KINDS
from products.services.kinds.settings import SETTINGS
from products.services.models import Service

SERVICE_TYPE: Final = choice(*Service.Type.values)
SERVICE_FIELDS: Final = {
    "id": text(),
    "name": text(),
    "comment": text(),
    "type": SERVICE_TYPE,
    "customer_id": text(),
    "paused": flag(),
    "environments": array(ref("Environment")),
} | times()
VERSION_FIELDS: Final = {
    "number": whole(),
    "service_id": text(),
    "active": flag(),
    "locked": flag(),
    "deployed": flag(),
    "staging": flag(),
    "testing": flag(),
    "comment": text(),
    "environments": array(ref("Environment")),
} | times()
COUNTERS: Final = {name: whole() for name in (*HTTP_FIELDS, *CONNECTION_FIELDS)}
ROW: Final = {"service_id": text(), "start_time": whole()} | COUNTERS
SUMS: Final = {name: number() for name in ("bandwidth", "requests", "compute_requests")}
USED: Final = {
    name: whole()
    for name in ("minutes", "connections", "bytes_from_client", "bytes_to_client")
}
DELIVERED: Final = {
    name: whole() for name in ("requests", "bytes_from_client", "bytes_to_client")
}
DIFFERENCE: Final = obj(
    {"from": whole(), "to": whole(), "format": text(), "diff": text()}
)


def _named(kind: str) -> Schema:
    return obj({"id": text(), "object": choice(kind)})


def _details(*, of_compute: bool) -> dict[str, Schema]:
    """Return the lists of parts in a service's details: those that Compute services have, or the others."""
    return {
        kind.details: array(ref(component_name(kind)))
        for segment, kind in KINDS.items()
        if kind.details and (segment in COMPUTE_DETAILS) == of_compute
    }


def _ability() -> Schema:
    return obj({"allowed": flag(), "reason": text()})


SCHEMAS: Final[dict[str, Schema]] = {
    "Environment": obj(
        {"name": text(), "active_version": whole(), "service_id": text()}
    ),
    "Service": obj(
        SERVICE_FIELDS | {"publish_key": text(), "versions": array(ref("Version"))}
    ),
    "ListedService": obj(
        SERVICE_FIELDS | {"version": whole(), "versions": array(ref("Version"))}
    ),
    "Version": obj(VERSION_FIELDS, {"msg": MSG}),
    "WholeVersion": obj(
        VERSION_FIELDS | _details(of_compute=True),
        _details(of_compute=False)
        | {name: array(anything()) for name in EMPTY_LISTS}
        | {"settings": ref(component_name(SETTINGS))},
        "The version of a Compute service has the required keys only.",
    ),
    "Finding": obj(
        {
            "code": text(),
            "severity": choice(*Severity),
            "rule": text(),
            "source": text(),
            "message": text(),
            "remedy": text(),
            "backend": nullable(text()),
            "header": nullable(text()),
            "field": nullable(text()),
        }
    ),
    "Check": obj(
        {
            "check": whole(),
            "code": text(),
            "title": text(),
            "passed": nullable(flag("null: the check does not apply.")),
            "reason": text(),
            "remedy": text(),
            "who": array(text(), "Who can help."),
            "problems": array(ref("Finding")),
        }
    ),
    "EnabledProduct": obj(
        {
            "product": _named("product"),
            "service": _named("service"),
            "_links": anything(),
        }
    ),
    "Entitlement": obj(
        {
            "product": text(),
            "name": text(),
            "state": choice("disabled", "enabled", "trial", "package"),
            "purchase_mode": text(),
            "per_service": flag(),
            "blocked": nullable(text("Why the product cannot be used.")),
            "since": nullable(moment()),
            "until": nullable(moment()),
            "price_version": nullable(text()),
            "services": array(text(), "The visible services that have it on."),
            "trial": nullable(ref("Trial")),
            "you": obj(
                {
                    name: _ability()
                    for name in ("enable", "disable", "request", "switch")
                }
            ),
        }
    ),
    "Trial": obj(
        {
            "started_at": moment(),
            "started_by": text(),
            "ends_at": moment(),
            "ended_at": nullable(moment()),
            "cap_minutes": nullable(whole()),
            "used_minutes": nullable(whole()),
        }
    ),
    "Price": obj(
        {
            "price_version": text(),
            "number": whole(),
            "meter": text(),
            "unit": text(),
            "unit_size": whole(),
            "unit_mode": text(),
            "currency": text(),
            "fee": text(),
            "included_units": whole(),
            "tiers": array(
                obj({"up_to": nullable(whole()), "unit_price": text()}),
            ),
            "effective_from": moment(),
        }
    ),
    "DomainClaim": obj(
        {
            "id": text(),
            "name": text(),
            "state": choice(*DomainClaim.State.values),
            "proof": obj(
                {
                    "dns": obj({"name": text(), "value": text()}),
                    "http": nullable(obj({"url": text(), "body": text()})),
                }
            ),
            "problem": nullable(text()),
            "requested_at": moment(),
            "expires_at": nullable(moment()),
            "verified_at": nullable(moment()),
        }
    ),
    "Webhook": obj(
        {
            "id": text(),
            "url": text(),
            "events": array(text(), "Empty: all."),
            "paused": flag(),
            "pause_reason": text(),
            "failing_since": nullable(moment()),
            "earlier_secret_until": nullable(moment()),
            "created_at": moment(),
            "created_by": text(),
            "sequence": whole("The last entry that it got."),
            "end": whole("The last entry of the audit trail."),
        }
    ),
    "Delivery": obj(
        {
            "id": whole(),
            "sequence": nullable(whole("The entry; null: a test message.")),
            "event": text(),
            "attempt": whole(),
            "resend": flag(),
            "test": flag(),
            "attempted_at": nullable(moment("null: it waits to be sent again.")),
            "duration_ms": nullable(whole()),
            "status": nullable(whole()),
            "problem": text(),
        }
    ),
    "StatsMeta": obj({name: text() for name in ("from", "to", "by", "region")}),
}


def edge_schemas() -> dict[str, Schema]:
    """Return the schemas of what edges read and send, from the contract."""
    structs = (RouteTable, UsageReport, UsageAnswer, NewCredential)
    _, found = msgspec.json.schema_components(
        structs, ref_template="#/components/schemas/{name}"
    )
    # JSON Schema has no `\Z`: its `$` matches only at the end of the text.
    found_text = json.dumps(found).replace(r"\\Z", "$")
    return dict(json.loads(found_text))


def stats(data: Schema, query: Mapping[str, Schema] | None = None) -> Described:
    """Return the description of statistics in Fastly's envelope."""
    body = {"status": choice("success"), "msg": {"type": "null"}}
    answer = obj(body | {"meta": ref("StatsMeta"), "data": data})
    return Described(answer=answer, query=PERIOD if query is None else query)


# Clients written in Go send what is not set as empty.
PERIOD: Final = {
    "from": text("Seconds since 1970, a time, or a phrase such as `10 days ago`."),
    "to": text("As `from`; now if left out."),
    "by": choice(*SLOTS, ""),
    "region": choice("all", GLOBAL, ""),
    "datacenter": text("The name of an edge."),
}
MONTH: Final = {
    "year": text("Such as 2026; the current one if left out."),
    "month": text("From 1 to 12; the current one if left out."),
}
OWN_CUSTOMER: Final = {"customer_id": text("That of your account, if it is sent.")}
VERSION: Final = ref("Version")
AGREEMENT: Final = obj(
    {"text": text(), "sha256": text(), "record": obj({}), "record_sha256": text()}
)
ENTITLEMENT: Final = ref("Entitlement")
CLAIM: Final = ref("DomainClaim")
WEBHOOK: Final = ref("Webhook")
GONE: Final = Described(answer=None, status=204)
CHECKED: Final = array(
    {"anyOf": [ref("Domain"), nullable(text()), flag()]},
    "The domain, its CNAME, and whether the service receives its requests.",
    minItems=3,
    maxItems=3,
)
OPTION_TEXTS: Final = {name: text() for options in OPTIONS.values() for name in options}
CONFIGURATION: Final = obj(
    {},
    {
        name: {
            "enum": [
                *option.choices,
                *([True, False] if "on" in option.choices else []),
            ]
        }
        if option.choices
        else {"type": ["string", "integer"]}
        for options in OPTIONS.values()
        for name, option in options.items()
    },
)
CONFIGURED: Final[Schema] = {
    "allOf": [ref("EnabledProduct"), obj({"configuration": obj({}, OPTION_TEXTS)})]
}
ACCOUNT_PRODUCT: Final = obj(
    {"product": _named("product"), "customer": _named("customer"), "_links": anything()}
)
DIRECTOR_BACKEND: Final = obj(
    {
        "backend_name": text(),
        "director": text(),
        "director_name": text(),
        "service_id": text(),
        "version": whole(),
    }
    | times()
)
SNIPPET_CONTENT: Final = obj(
    {
        "snippet_id": text(),
        "service_id": text(),
        "content": text(),
        "created_at": moment(),
        "updated_at": moment(),
    }
)
NEW_VERSION: Final = obj({"service_id": text(), "number": whole()}, {"comment": text()})

OPERATIONS: Final[Mapping[tuple[type, str], Described]] = {
    (Verify, "GET"): Described(
        answer=obj(
            {
                "customer": obj({"id": text(), "name": text()}),
                "user": obj({"id": text(), "name": text(), "login": text()}),
                "services": by_key(text()),
                "token": obj(
                    {
                        "id": text(),
                        "name": text(),
                        "created_at": moment(),
                        "expires_at": text("Empty: it does not expire."),
                        "scope": text(),
                    }
                ),
            }
        )
    ),
    (Services, "GET"): Described(
        answer=array(ref("ListedService")), query=PagingReader
    ),
    (Services, "POST"): Described(
        answer=ref("Service"),
        body=ServiceReader,
        more=OWN_CUSTOMER,
    ),
    (ServiceSearch, "GET"): Described(
        answer=ref("Service"), query={"name": text(required=True)}
    ),
    (OneService, "GET"): Described(answer=ref("Service")),
    (OneService, "PUT"): Described(
        answer=ref("Service"), body=ServiceReader, more=OWN_CUSTOMER
    ),
    (OneService, "DELETE"): Described(answer=STATUS_OK),
    (ServiceDetails, "GET"): Described(
        answer={
            "allOf": [
                ref("Service"),
                obj(
                    {
                        "active_version": nullable(VERSION),
                        "version": nullable(ref("WholeVersion")),
                    }
                ),
            ]
        },
        query={
            "version": whole(minimum=0),
            "filter[versions.active]": flag(),
            "filter[versions.staged]": flag(),
        },
    ),
    (ServiceDomains, "GET"): Described(answer=array(ref("Domain"))),
    (Diff, "GET"): Described(answer=DIFFERENCE, query=FormatReader),
    (VclDiff, "GET"): Described(answer=DIFFERENCE, query=FormatReader),
    (Versions, "GET"): Described(answer=array(VERSION)),
    (Versions, "POST"): Described(answer=NEW_VERSION, body=VersionReader),
    (OneVersion, "GET"): Described(answer=VERSION),
    (OneVersion, "PUT"): Described(answer=VERSION, body=VersionReader),
    (Clone, "PUT"): Described(answer=VERSION),
    (Lock, "PUT"): Described(answer=VERSION),
    (Activate, "PUT"): Described(answer=VERSION),
    (Deactivate, "PUT"): Described(answer=VERSION),
    (Staging, "PUT"): Described(answer=VERSION),
    (Validate, "GET"): Described(
        answer=obj(
            {
                "status": choice("ok", "error"),
                "msg": nullable(text()),
                "errors": array(text()),
                "warnings": array(text()),
                "messages": array(text()),
            }
        )
    ),
    (CheckDomain, "GET"): Described(answer=CHECKED),
    (CheckDomains, "GET"): Described(answer=array(CHECKED)),
    (DictionaryInfo, "GET"): Described(
        answer=obj({"item_count": whole(), "digest": text(), "last_updated": text()})
    ),
    (DynamicSnippet, "GET"): Described(answer=SNIPPET_CONTENT),
    (DynamicSnippet, "PUT"): Described(
        answer=SNIPPET_CONTENT, body=obj({}, {"content": {"type": ["string", "null"]}})
    ),
    (MainVclFile, "PUT"): Described(answer=ref(component_name(KINDS["vcl"]))),
    (VclFileText, "GET"): Described(answer=text(), media_type=PLAIN),
    (VclFileHtml, "GET"): Described(
        answer=obj({"content": text("The content as HTML.")})
    ),
    (Boilerplate, "GET"): Described(answer=text(), media_type=PLAIN),
    (GeneratedVcl, "GET"): Described(
        answer=obj(
            {
                "name": text(),
                "main": flag(),
                "content": text(),
                "service_id": text(),
                "version": whole(),
                "msg": MSG,
            }
            | times()
        )
    ),
    (GeneratedVclContent, "GET"): Described(answer=obj({"content": text()})),
    (DirectorBackend, "GET"): Described(answer=DIRECTOR_BACKEND),
    (DirectorBackend, "POST"): Described(answer=DIRECTOR_BACKEND),
    (DirectorBackend, "DELETE"): Described(answer=STATUS_OK),
    (AccountProductView, "GET"): Described(answer=ACCOUNT_PRODUCT),
    (AccountProductView, "PUT"): Described(answer=ACCOUNT_PRODUCT),
    (AccountProductView, "DELETE"): GONE,
    (ProductServices, "GET"): Described(
        answer=obj(
            {
                "product": _named("product"),
                "customer": _named("customer"),
                "services": array(text()),
                "_links": anything(),
            }
        )
    ),
    (ServiceProductView, "GET"): Described(answer=ref("EnabledProduct")),
    (ServiceProductView, "PUT"): Described(
        answer=ref("EnabledProduct"), body=CONFIGURATION
    ),
    (ServiceProductView, "DELETE"): GONE,
    (ProductConfiguration, "GET"): Described(answer=CONFIGURED),
    (ProductConfiguration, "PATCH"): Described(answer=CONFIGURED, body=CONFIGURATION),
    (StatsByService, "GET"): stats(
        by_key(array(obj({}, ROW))), PERIOD | {"services": text("Ids with commas.")}
    ),
    (StatsAggregate, "GET"): stats(array(obj({"start_time": whole()}, COUNTERS))),
    (StatsOfService, "GET"): stats(array(obj({}, ROW))),
    (StatsRegions, "GET"): stats(array(text()), {}),
    (StatsUsage, "GET"): stats(obj({GLOBAL: obj(SUMS)})),
    (StatsUsageByService, "GET"): stats(obj({GLOBAL: by_key(obj(SUMS))})),
    (StatsUsageByMonth, "GET"): stats(
        obj(
            {
                "customer_id": text(),
                "services": by_key(obj({"name": text(), GLOBAL: obj(SUMS)})),
                "total": obj({GLOBAL: obj(SUMS)}),
            }
        ),
        MONTH | {"billable_units": flag()},
    ),
    (StatsSummary, "GET"): Described(
        answer=obj({"stats": obj({GLOBAL: obj({}, COUNTERS)})}),
        query=MONTH | {"start_time": text(), "end_time": text()},
    ),
    (Realtime, "GET"): Described(
        answer=obj(
            {
                "Data": array(
                    obj(
                        {
                            "recorded": whole(),
                            "aggregated": anything(),
                            "datacenter": by_key(anything()),
                        }
                    )
                ),
                "Timestamp": whole(),
                "AggregateDelay": whole(),
            }
        )
    ),
    (PlatformMetrics, "GET"): Described(
        answer=obj(
            {
                "meta": obj(
                    {
                        "from": moment(),
                        "to": moment(),
                        "granularity": text(),
                        "next_cursor": text(),
                        "limit": whole(),
                    },
                    {"group_by": text()},
                ),
                "data": array(
                    obj(
                        {"timestamp": moment()},
                        {"datacenter": text(), "region": choice(GLOBAL)} | COUNTERS,
                    )
                ),
            }
        ),
        query={
            "from": PERIOD["from"],
            "to": PERIOD["to"],
            "region": PERIOD["region"],
            "datacenter": PERIOD["datacenter"],
            "metric": text("Names with commas."),
            "metric_set": choice(*PlatformMetrics.SETS, ""),
            "group_by": choice("", *GROUPS, ",".join(GROUPS)),
            "limit": whole(minimum=1, maximum=10_000, default=1_000),
            "cursor": text("The `next_cursor` of the page before.", maxLength=300),
        },
    ),
    (DecisionView, "GET"): Described(
        answer=obj(
            {
                "service": text(),
                "version": whole(),
                "allowed": flag(),
                "uses_websockets": flag(),
                "checks": array(ref("Check")),
                "warnings": array(ref("Finding")),
            }
        ),
        query=DecisionReader,
    ),
    (DomainClaims, "GET"): Described(answer=paged(CLAIM), query=ClaimsQuery),
    (DomainClaims, "POST"): Described(answer=CLAIM, status=201, body=ClaimReader),
    (DomainClaimDetail, "GET"): Described(answer=CLAIM),
    (DomainClaimDetail, "DELETE"): GONE,
    (VerifyDomainClaim, "POST"): Described(answer=CLAIM),
    (Entitlements, "GET"): Described(answer=paged(ENTITLEMENT)),
    (OneEntitlement, "GET"): Described(answer=ENTITLEMENT),
    (EnablePreview, "POST"): Described(
        answer=obj(
            {
                "price_version": text(),
                "prices": array(ref("Price")),
                "estimate": nullable(
                    obj(
                        {
                            "minutes_each": whole(),
                            "minutes": whole(),
                            "amount": text(),
                            "currency": text(),
                        }
                    )
                ),
                "agreement": AGREEMENT,
                "conflicts": array(
                    obj(
                        {
                            "service": text(),
                            "name": text(),
                            "findings": array(ref("Finding")),
                        }
                    )
                ),
                "people": array(
                    obj(
                        {
                            "name": text(),
                            "role": text(),
                            "services": nullable(text()),
                        }
                    )
                ),
            }
        ),
        body=PreviewReader,
    ),
    (TrialPreview, "POST"): Described(
        answer=obj(
            {
                "days": whole(),
                "cap_minutes": nullable(whole()),
                "agreement": AGREEMENT,
            }
        )
    ),
    (StartTrial, "POST"): Described(answer=ENTITLEMENT, body=TrialReader),
    (RequestProduct, "POST"): Described(
        answer=obj(
            {
                "id": whole(),
                "product": text(),
                "asked": text(),
                "state": text(),
                "note": text(),
                "requested_at": moment(),
            }
        ),
        body=RequestReader,
    ),
    (EnableProduct, "POST"): Described(answer=ENTITLEMENT, body=EnableReader),
    (DisablePreview, "POST"): Described(
        answer=obj(
            {
                "services": array(
                    obj({"id": text(), "name": text(), "open_connections": whole()})
                ),
                "open_connections": whole(),
                "unknown_since": nullable(moment()),
                "seen": text("Send it to disable the product."),
            }
        )
    ),
    (DisableProduct, "POST"): Described(answer=ENTITLEMENT, body=DisableReader),
    (UsageView, "GET"): Described(
        answer=obj(
            {
                "account": text(),
                "month": text(),
                "services": by_key(obj(USED)),
                "delivery": obj(DELIVERED | {"services": by_key(obj(DELIVERED))}),
                "complete_to": nullable(moment()),
                "conflicts": whole("Records that are not included."),
            }
            | USED
        ),
        query=UsageReader,
    ),
    (Webhooks, "GET"): Described(answer=paged(WEBHOOK)),
    (Webhooks, "POST"): Described(
        answer={"allOf": [WEBHOOK, obj({"secret": text()})]}, body=WebhookReader
    ),
    (OneWebhook, "GET"): Described(answer=WEBHOOK),
    (OneWebhook, "PATCH"): Described(answer=WEBHOOK, body=WebhookReader),
    (OneWebhook, "DELETE"): GONE,
    (WebhookDeliveries, "GET"): Described(
        answer=paged(ref("Delivery")), query=LogReader
    ),
    (RotateSecret, "POST"): Described(
        answer={"allOf": [WEBHOOK, obj({"secret": text()})]}, body=RotateReader
    ),
    (ReplayWebhook, "POST"): Described(answer=WEBHOOK, body=ReplayReader),
    (ResendMessage, "POST"): Described(answer=STATUS_OK),
    (SendTest, "POST"): Described(answer=ref("Delivery")),
    (RouteTableView, "GET"): Described(answer=ref("RouteTable")),
    (CredentialView, "POST"): Described(answer=ref("NewCredential")),
    (IngestUsage, "POST"): Described(
        answer=ref("UsageAnswer"), body=ref("UsageReport"), bodies=(JSON,)
    ),
}
