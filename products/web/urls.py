"""The URLs of the products' pages."""

from django.urls import URLPattern, path, register_converter

from products.web.access import member_access
from products.web.account_settings import (
    account_notices,
    account_settings,
    account_time_zone,
)
from products.web.agreements import agreement, agreements
from products.web.billing import billing, budget, end_budget, lift_budget_block
from products.web.current_usage import live_account, live_service
from products.web.deployment import activate_version, deactivate_version, why
from products.web.disable import disable_product
from products.web.domain_claims import domain, domains, release_domain
from products.web.enable import enable_product, product_enabled
from products.web.entitlements import entitlements
from products.web.help import help_page
from products.web.home import home
from products.web.invoices import invoice, invoice_download
from products.web.part_form import part, preview, remove_part
from products.web.parts import KindConverter
from products.web.products import products, request_access
from products.web.removed_parts import restore
from products.web.requests import decline, product_request, withdraw
from products.web.search import search
from products.web.services import (
    compare_versions,
    remove_service,
    service,
    services,
)
from products.web.several_parts import preview_several, several_parts
from products.web.switch import product_off, product_on, switch_off, switch_on
from products.web.trial import begin_trial
from products.web.usage import usage, usage_csv
from products.web.version_page import findings, lock, new_version, version
from products.web.webhooks import (
    delete_webhook,
    new_webhook,
    replay,
    resend,
    rotate_webhook_secret,
    send_test,
    webhook,
    webhook_created,
    webhooks,
)

register_converter(KindConverter, "part_kind")

VERSION = "services/<str:service_id>/versions/<int:number>/"

urlpatterns: list[URLPattern] = [
    path("", home, name="home"),
    path("account/", account_settings, name="account_settings"),
    path("account/time-zone/", account_time_zone, name="account_time_zone"),
    path("account/notices/", account_notices, name="account_notices"),
    path("products/", products, name="products"),
    path("products/<slug:slug>/enable/", enable_product, name="enable_product"),
    path("products/<slug:slug>/enabled/", product_enabled, name="product_enabled"),
    path("products/<slug:slug>/trial/", begin_trial, name="start_trial"),
    path("products/<slug:slug>/disable/", disable_product, name="disable_product"),
    path("products/<slug:slug>/request/", request_access, name="request_product"),
    path("requests/<int:request_id>/", product_request, name="product_request"),
    path("requests/<int:request_id>/decline/", decline, name="decline_request"),
    path("requests/<int:request_id>/withdraw/", withdraw, name="withdraw_request"),
    path("entitlements/", entitlements, name="entitlements"),
    path("help/", help_page, name="help"),
    path("help/<slug:page>/", help_page, name="help_page"),
    path("search/", search, name="search"),
    path("usage/", usage, name="usage"),
    path("usage/csv/", usage_csv, name="usage_csv"),
    path("billing/", billing, name="billing"),
    path("billing/agreements/", agreements, name="agreements"),
    path("billing/agreements/<str:enablement_id>/", agreement, name="agreement"),
    path("billing/budget/", budget, name="budget"),
    path("billing/budget/remove/", end_budget, name="remove_budget"),
    path("billing/budget/lift/", lift_budget_block, name="lift_budget_block"),
    path("billing/invoices/<str:invoice_key>/", invoice, name="invoice"),
    path(
        "billing/invoices/<str:invoice_key>/<str:form>/",
        invoice_download,
        name="invoice_download",
    ),
    path("services/", services, name="services"),
    path("domains/", domains, name="domains"),
    path("domains/<opaque:claim_id>/", domain, name="domain"),
    path("domains/<opaque:claim_id>/release/", release_domain, name="release_domain"),
    path("live/", live_account, name="live"),
    path("services/<str:service_id>/", service, name="service"),
    path("services/<str:service_id>/live/", live_service, name="live_service"),
    path("services/<str:service_id>/websockets/on/", switch_on, name="switch_on"),
    path("services/<str:service_id>/websockets/off/", switch_off, name="switch_off"),
    path(
        "services/<str:service_id>/products/<slug:slug>/on/",
        product_on,
        name="product_on",
    ),
    path(
        "services/<str:service_id>/products/<slug:slug>/off/",
        product_off,
        name="product_off",
    ),
    path("services/<str:service_id>/delete/", remove_service, name="delete_service"),
    path("services/<str:service_id>/compare/", compare_versions, name="compare"),
    path("services/<str:service_id>/versions/new/", new_version, name="new_version"),
    path(VERSION, version, name="version"),
    path(f"{VERSION}findings/", findings, name="findings"),
    path(f"{VERSION}lock/", lock, name="lock_version"),
    path(f"{VERSION}restore/", restore, name="restore_part"),
    path(f"{VERSION}parts/", several_parts, name="edit_parts"),
    path(f"{VERSION}parts/preview/", preview_several, name="preview_parts"),
    path(f"{VERSION}why/", why, name="why"),
    path(f"{VERSION}activate/", activate_version, name="activate_version"),
    path(f"{VERSION}deactivate/", deactivate_version, name="deactivate_version"),
    path(f"{VERSION}<part_kind:kind>/preview/", preview, name="preview"),
    path(f"{VERSION}<part_kind:kind>/add/", part, name="add_part"),
    path(f"{VERSION}<part_kind:kind>/edit/<path:name>/", part, name="edit_part"),
    path(
        f"{VERSION}<part_kind:kind>/remove/<path:name>/",
        remove_part,
        name="remove_part",
    ),
    path("webhooks/", webhooks, name="webhooks"),
    path("webhooks/new/", new_webhook, name="new_webhook"),
    path(
        "webhooks/<opaque:webhook_id>/created/",
        webhook_created,
        name="webhook_created",
    ),
    path("webhooks/<opaque:webhook_id>/", webhook, name="webhook"),
    path(
        "webhooks/<opaque:webhook_id>/rotate/",
        rotate_webhook_secret,
        name="rotate_webhook_secret",
    ),
    path("webhooks/<opaque:webhook_id>/replay/", replay, name="replay_webhook"),
    path("webhooks/<opaque:webhook_id>/test/", send_test, name="send_test"),
    path("webhooks/<opaque:webhook_id>/remove/", delete_webhook, name="delete_webhook"),
    path(
        "webhooks/<opaque:webhook_id>/messages/<int:sequence>/resend/",
        resend,
        name="resend_message",
    ),
    path("members/<opaque:membership_id>/access/", member_access, name="member_access"),
]
