"""The URLs of the products' API."""

from collections.abc import Iterable, Iterator

from django.urls import URLPattern, path, register_converter
from django.urls.converters import StringConverter

from products.api.billing import (
    MonthToDate,
    PostedInvoice,
    PostedInvoices,
    ServiceUsageMetrics,
    UsageMetrics,
)
from products.api.decision import DecisionView
from products.api.diff import Diff
from products.api.directors import DirectorBackend
from products.api.domain_claims import (
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
    EnablePreview,
    EnableProduct,
    Entitlements,
    OneEntitlement,
    RequestProduct,
    StartTrial,
    TrialPreview,
)
from products.api.ingest import IngestUsage
from products.api.invoices import BudgetView, Invoices, OneInvoice
from products.api.items import (
    DictionaryInfo,
    ItemBatch,
    Items,
    NewItem,
    OneItem,
)
from products.api.parts import (
    Http3,
    ImageOptimizerSettings,
    PartById,
    PartDetail,
    PartList,
    PartView,
    VersionSettings,
)
from products.api.services import (
    OneService,
    ServiceDetails,
    ServiceDomains,
    Services,
    ServiceSearch,
)
from products.api.stats import (
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
from products.api.usage import UsageView
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
    Versions,
)
from products.api.webhooks import (
    OneWebhook,
    ReplayWebhook,
    ResendMessage,
    RotateSecret,
    SendTest,
    WebhookDeliveries,
    Webhooks,
)
from products.edge.contract import CREDENTIAL_PATH, ROUTES_PATH, USAGE_PATH
from products.protocol import API_PATH
from products.services.kinds import KINDS, Kind
from products.services.kinds.items import ITEM_KINDS
from products.services.kinds.kind import Ids

SERVICE = "service/<str:service_id>"
SINGLE_VIEWS: dict[str, type[PartView]] = {
    "http3": Http3,
    "image_optimizer_default_settings": ImageOptimizerSettings,
}
VERSION = f"{SERVICE}/version/<int:number>"


def _converter(kinds: Iterable[Kind]) -> type[StringConverter]:
    """Return the converter of a path that names one of these kinds."""
    segments = sorted((kind.segment for kind in kinds), key=len, reverse=True)
    return type("KindConverter", (StringConverter,), {"regex": "|".join(segments)})


LISTED = [kind for kind in KINDS.values() if not kind.single]
UNVERSIONED = [kind for kind in LISTED if kind.ids is Ids.NEW]
register_converter(_converter(LISTED), "listed_kind")
register_converter(_converter(UNVERSIONED), "unversioned_kind")
register_converter(
    _converter(kind for kind in LISTED if kind not in UNVERSIONED), "named_kind"
)


def item_routes() -> Iterator[URLPattern]:
    """Yield the routes of what hangs beneath parts: a list, and one."""
    for part, items in ITEM_KINDS.items():
        base, kind = f"{SERVICE}/{part}/<str:part_id>", {"kind": part}
        view = ItemBatch if items.batches else Items
        yield path(f"{base}/{items.event}", view.as_view(), kind)
        yield path(f"{base}/{items.noun}", NewItem.as_view(), kind)
        yield path(f"{base}/{items.noun}/<path:name>", OneItem.as_view(), kind)


def single_routes() -> Iterator[URLPattern]:
    """Yield the routes of the kinds of which a version has one part at most."""
    for segment, kind in KINDS.items():
        if kind.single:
            view = SINGLE_VIEWS.get(segment, VersionSettings).as_view()
            yield path(f"{VERSION}/{segment}", view, {"kind": segment})


def product_routes(prefix: str) -> list[URLPattern]:
    """Return the routes that switch products on and off."""
    services = f"{prefix}/<str:slug>/services"
    one = f"{services}/<str:service_id>"
    return [
        path(f"{prefix}/<str:slug>", AccountProductView.as_view()),
        path(services, ProductServices.as_view()),
        path(one, ServiceProductView.as_view()),
        path(f"{one}/configuration", ProductConfiguration.as_view()),
    ]


def stats_routes() -> list[URLPattern]:
    """Return the routes of statistics; those of real time lie below v1, as at Fastly."""
    channel, metrics = "v1/channel/<str:service_id>/ts", "metrics/v2/platform"
    entity = "entities/<str:service_id>"
    return [
        path("stats", StatsByService.as_view()),
        path("stats/aggregate", StatsAggregate.as_view()),
        path("stats/field/<str:field>", StatsByService.as_view()),
        path("stats/service/<str:service_id>", StatsOfService.as_view()),
        path(
            "stats/service/<str:service_id>/field/<str:field>", StatsOfService.as_view()
        ),
        path("stats/regions", StatsRegions.as_view()),
        path("stats/usage", StatsUsage.as_view()),
        path("stats/usage_by_service", StatsUsageByService.as_view()),
        path("stats/usage_by_month", StatsUsageByMonth.as_view()),
        path(f"{SERVICE}/stats/summary", StatsSummary.as_view()),
        path(f"{channel}/h", Realtime.as_view()),
        path(f"{channel}/h/limit/<int:limit>", Realtime.as_view()),
        path(f"{channel}/<int:second>", Realtime.as_view()),
        path(f"{channel}/<int:second>/limit/<int:limit>", Realtime.as_view()),
        path(f"{metrics}/aggregate/<str:granularity>", PlatformMetrics.as_view()),
        path(f"{metrics}/{entity}/<str:granularity>", PlatformMetrics.as_view()),
    ]


urlpatterns = [
    path("verify", Verify.as_view()),
    path("service", Services.as_view()),
    path("service/search", ServiceSearch.as_view()),
    path(SERVICE, OneService.as_view()),
    path(f"{SERVICE}/details", ServiceDetails.as_view()),
    path(f"{SERVICE}/domain", ServiceDomains.as_view()),
    path(f"{SERVICE}/diff/from/<int:before>/to/<int:after>", Diff.as_view()),
    path(f"{SERVICE}/vcl/diff/from/<int:before>/to/<int:after>", VclDiff.as_view()),
    path(f"{SERVICE}/version", Versions.as_view()),
    path(VERSION, OneVersion.as_view()),
    path(f"{VERSION}/clone", Clone.as_view()),
    path(f"{VERSION}/lock", Lock.as_view()),
    path(f"{VERSION}/activate", Activate.as_view()),
    path(f"{VERSION}/deactivate", Deactivate.as_view()),
    path(f"{VERSION}/activate/<str:environment>", Staging.as_view()),
    path(f"{VERSION}/deactivate/<str:environment>", Staging.as_view(staged=False)),
    path(f"{VERSION}/validate", Validate.as_view()),
    path(f"{VERSION}/domain/check_all", CheckDomains.as_view()),
    path(f"{VERSION}/domain/<str:name>/check", CheckDomain.as_view()),
    *single_routes(),
    *item_routes(),
    # A file's or a director's name can contain slashes, so these come before all parts.
    path(f"{VERSION}/boilerplate", Boilerplate.as_view()),
    path(f"{VERSION}/generated_vcl", GeneratedVcl.as_view()),
    path(f"{VERSION}/generated_vcl/content", GeneratedVclContent.as_view()),
    path(f"{VERSION}/vcl/<path:name>/main", MainVclFile.as_view()),
    path(f"{VERSION}/vcl/<path:name>/download", VclFileText.as_view()),
    path(f"{VERSION}/vcl/<path:name>/content", VclFileHtml.as_view()),
    path(
        f"{VERSION}/director/<path:director>/backend/<path:backend>",
        DirectorBackend.as_view(),
    ),
    path(f"{VERSION}/dictionary/<str:part_id>/info", DictionaryInfo.as_view()),
    path(f"{SERVICE}/snippet/<str:part_id>", DynamicSnippet.as_view()),
    path(f"{VERSION}/<listed_kind:kind>", PartList.as_view()),
    # A part's name can contain slashes.
    path(f"{VERSION}/<named_kind:kind>/<path:name>", PartDetail.as_view()),
    path("<unversioned_kind:kind>/<str:part_id>", PartById.as_view()),
    *product_routes("enabled-products/v1"),
    # The paths before v1; clients of 2023 still use them.
    *product_routes("enabled-products"),
    *stats_routes(),
    path("billing/v3/invoices", PostedInvoices.as_view()),
    path("billing/v3/invoices/month-to-date", MonthToDate.as_view()),
    path("billing/v3/invoices/<int:invoice_id>", PostedInvoice.as_view()),
    path("billing/v3/usage-metrics", UsageMetrics.as_view()),
    path("billing/v3/service-usage-metrics", ServiceUsageMetrics.as_view()),
    path("v1/budget", BudgetView.as_view()),
    path("v1/decision", DecisionView.as_view()),
    path("v1/domain-claims", DomainClaims.as_view()),
    path("v1/domain-claims/<str:claim_id>", DomainClaimDetail.as_view()),
    path("v1/domain-claims/<str:claim_id>/verify", VerifyDomainClaim.as_view()),
    path("v1/entitlements", Entitlements.as_view()),
    path("v1/entitlements/<str:slug>", OneEntitlement.as_view()),
    path("v1/entitlements/<str:slug>/preview", EnablePreview.as_view()),
    path("v1/entitlements/<str:slug>/enable", EnableProduct.as_view()),
    path("v1/entitlements/<str:slug>/trial/preview", TrialPreview.as_view()),
    path("v1/entitlements/<str:slug>/trial", StartTrial.as_view()),
    path("v1/entitlements/<str:slug>/request", RequestProduct.as_view()),
    path("v1/entitlements/<str:slug>/disable/preview", DisablePreview.as_view()),
    path("v1/entitlements/<str:slug>/disable", DisableProduct.as_view()),
    path("v1/invoices", Invoices.as_view()),
    path("v1/invoices/<str:invoice_key>", OneInvoice.as_view()),
    path("v1/usage", UsageView.as_view()),
    path("v1/webhooks", Webhooks.as_view()),
    path("v1/webhooks/<str:webhook_id>", OneWebhook.as_view()),
    path("v1/webhooks/<str:webhook_id>/deliveries", WebhookDeliveries.as_view()),
    path("v1/webhooks/<str:webhook_id>/rotate", RotateSecret.as_view()),
    path("v1/webhooks/<str:webhook_id>/replay", ReplayWebhook.as_view()),
    path("v1/webhooks/<str:webhook_id>/test", SendTest.as_view()),
    path(
        "v1/webhooks/<str:webhook_id>/messages/<int:sequence>/resend",
        ResendMessage.as_view(),
    ),
    path(ROUTES_PATH.removeprefix(API_PATH), RouteTableView.as_view()),
    path(CREDENTIAL_PATH.removeprefix(API_PATH), CredentialView.as_view()),
    path(USAGE_PATH.removeprefix(API_PATH), IngestUsage.as_view()),
]
