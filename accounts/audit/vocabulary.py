"""The events of the audit trail, each with a verb phrase and Fastly's type if there is one."""

from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """Whether the action was carried out."""

    DONE = "done"
    REFUSED = "refused"


_ROUTES: Final = True  # the mark of an event after which the route table may differ


class Event(StrEnum):
    """The type of an entry: its name, what people read, Fastly's type ("" if Fastly has none), and a mark.

    An entry whose event has the mark `affects_routes` moves the account's `routes_revision`.

    Fastly's types: https://www.fastly.com/documentation/reference/api/account/events/, read
    2026-11.
    """

    description: str
    fastly_type: str
    affects_routes: bool

    def __new__(
        cls,
        value: str,
        description: str = "",
        fastly_type: str = "",
        affects_routes: bool = False,  # noqa: FBT001, FBT002 - a column of the table below
    ) -> "Event":
        """Create a member that equals its name and has the other columns as attributes."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        member.fastly_type = fastly_type
        member.affects_routes = affects_routes
        return member

    # One event per line, as in a table.
    # fmt: off
    # Accounts and members
    ACCOUNT_CREATED = "account.created", "created the account", "customer.create"
    ACCOUNT_SUSPENDED = "account.suspended", "suspended the account", "customer.update", _ROUTES
    ACCOUNT_RESUMED = "account.resumed", "lifted the suspension of the account", "customer.update", _ROUTES
    ACCOUNT_RENAMED = "account.renamed", "renamed the account", "customer.update"
    ACCOUNT_TIME_ZONE_CHANGED = "account.time_zone_changed", "changed the account's time zone", "customer.update"
    NOTICE_DEFAULTS_CHANGED = "notice_defaults.changed", "changed which notices members get by email by default", "customer.update"
    ACCOUNT_SECOND_FACTOR_CHANGED = "account.second_factor_changed", "changed whether all members need a second factor", "customer.update"
    ACCOUNT_SESSION_LIMITS_CHANGED = "account.session_limits_changed", "changed the session limits of all members", "customer.update"
    ACCOUNT_READ = "account.read", "viewed the account"
    AUDIT_READ = "audit.read", "viewed the audit trail"
    USER_DISABLED = "user.disabled", "disabled a user", "user.lock"
    USER_ENABLED = "user.enabled", "enabled a user", "user.unlock"
    STAFF_APPOINTED = "staff.appointed", "appointed a member of staff"
    STAFF_REMOVED = "staff.removed", "removed a member of staff"
    USER_CREATED = "user.created", "created a login", "user.create"
    USER_UPDATED = "user.updated", "changed a user's name", "user.update"
    MEMBER_INVITED = "member.invited", "invited a member", "invitation.sent"
    MEMBER_JOINED = "member.joined", "joined the account", "invitation.accept"
    INVITATION_RESENT = "invitation.resent", "sent an invitation again"
    INVITATION_REVOKED = "invitation.revoked", "withdrew an invitation"
    MEMBER_ROLE_CHANGED = "member.role_changed", "changed a member's role", "user.update"
    MEMBER_REMOVED = "member.removed", "removed a member", "user.destroy"
    MEMBER_DISABLED = "member.disabled", "disabled a member", "user.lock"
    MEMBER_ENABLED = "member.enabled", "enabled a member", "user.unlock"
    MEMBER_ACCESS_LIMITED = "member.access_limited", "limited a member to chosen services", "user.update"
    MEMBER_ACCESS_UNLIMITED = "member.access_unlimited", "gave a member access to all services", "user.update"
    SERVICE_ACCESS_GRANTED = "service_access.granted", "gave a member access to a service", "service_authorization.create"
    SERVICE_ACCESS_CHANGED = "service_access.changed", "changed a member's access to a service", "service_authorization.update"
    SERVICE_ACCESS_REVOKED = "service_access.revoked", "removed a member's access to a service", "service_authorization.delete"

    # Sign-in and tokens
    TOKEN_ISSUED = "token.issued", "created an API token", "token.create"
    TOKEN_EXPIRING = "token.expiring", "found an API token that expires within seven days"
    TOKEN_REVOKED = "token.revoked", "revoked an API token", "token.destroy"
    USER_LOGGED_IN = "user.logged_in", "signed in", "user.login"
    USER_LOGIN_FAILED = "user.login_failed", "failed to sign in", "user.login_failure"
    USER_LOGGED_OUT = "user.logged_out", "signed out", "user.logout"
    USER_REAUTHENTICATED = "user.reauthenticated", "re-authenticated"
    USER_REAUTHENTICATION_FAILED = "user.reauthentication_failed", "failed to re-authenticate", "user.login_failure"
    PASSWORD_CHANGED = "password.changed", "changed their password", "user.password_update"
    PASSWORD_RESET_REQUESTED = "password.reset_requested", "asked a user to choose a new password"
    PASSWORD_RESET = "password.reset", "reset their password by email", "user.password_update"
    SECOND_FACTOR_ENABLED = "second_factor.enabled", "added a second factor", "two_factor_auth.enable"
    SECOND_FACTOR_DISABLED = "second_factor.disabled", "removed a second factor", "two_factor_auth.disable"
    SECOND_FACTOR_RENAMED = "second_factor.renamed", "renamed a second factor"
    RECOVERY_CODES_GENERATED = "recovery_codes.generated", "generated recovery codes"
    RECOVERY_CODES_REMOVED = "recovery_codes.removed", "removed their recovery codes"
    RECOVERY_CODES_VIEWED = "recovery_codes.viewed", "viewed their recovery codes"
    EMAIL_CHANGE_REQUESTED = "email.change_requested", "asked to change their email address"
    EMAIL_CHANGE_CANCELLED = "email.change_cancelled", "cancelled the change of their email address"
    EMAIL_CHANGED = "email.changed", "changed their email address", "user.update"
    USER_TIME_ZONE_CHANGED = "user.time_zone_changed", "changed their time zone", "user.update"
    USER_DATE_FORMAT_CHANGED = "user.date_format_changed", "changed the format of their dates", "user.update"
    SESSION_ENDED = "session.ended", "ended a session"
    NOTICE_PREFERENCES_CHANGED = "notice_preferences.changed", "changed which notices they get by email"

    # Products of an account, and the bill (R5)
    PRODUCT_ENABLED = "product.enabled", "enabled a product", "customer_feature.create", _ROUTES
    PRODUCT_DISABLED = "product.disabled", "disabled a product", "customer_feature.delete", _ROUTES
    PRODUCT_BLOCKED = "product.blocked", "blocked a product", "", _ROUTES
    PRODUCT_UNBLOCKED = "product.unblocked", "ended the block of a product", "", _ROUTES
    PRODUCT_REQUESTED = "product.requested", "requested a product"
    PRODUCT_REQUEST_GRANTED = "product_request.granted", "granted a request for a product"
    PRODUCT_REQUEST_ANSWERED = "product_request.answered", "answered a request for a product"
    PRODUCT_REQUEST_DECLINED = "product_request.declined", "declined a request for a product"
    PRODUCT_REQUEST_WITHDRAWN = "product_request.withdrawn", "withdrew a request for a product"
    BILL_CHANGED = "bill.changed", "changed what the account is billed for", "customer.pricing"
    TRIAL_STARTED = "trial.started", "started a trial of a product"
    TRIAL_ENDING = "trial.ending", "found a trial that ends within three days"
    TRIAL_ENDED = "trial.ended", "ended a trial"
    TRIAL_CONVERTED = "trial.converted", "replaced a trial with the product itself"
    SERVICE_PRODUCT_ENABLED = "service_product.enabled", "switched a product on for a service", "service.update", _ROUTES
    SERVICE_PRODUCT_DISABLED = "service_product.disabled", "switched a product off for a service", "service.update", _ROUTES
    SERVICE_PRODUCT_CONFIGURED = "service_product.configured", "changed a product's options for a service", "service.update"
    PACKAGE_ASSIGNED = "package.assigned", "assigned a package", "customer.pricing"
    PACKAGE_REMOVED = "package.removed", "removed a package", "customer.pricing"

    # Services, versions and their parts
    SERVICE_CREATED = "service.created", "created a service", "service.create"
    SERVICE_UPDATED = "service.updated", "changed a service", "service.update"
    SERVICE_DELETED = "service.deleted", "deleted a service", "service.delete", _ROUTES
    VERSION_CREATED = "version.created", "created a version", "version.create"
    VERSION_CLONED = "version.cloned", "cloned a version", "version.clone"
    VERSION_UPDATED = "version.updated", "changed a version", "version.update"
    VERSION_LOCKED = "version.locked", "locked a version", "version.lock"
    VERSION_ACTIVATED = "version.activated", "activated a version", "version.activate", _ROUTES
    VERSION_DEACTIVATED = "version.deactivated", "deactivated a version", "version.deactivate", _ROUTES
    VERSION_STAGED = "version.staged", "staged a version", "version.update"
    VERSION_UNSTAGED = "version.unstaged", "ended the staging of a version", "version.update"
    DEPLOYMENT_REFUSED = "deployment.refused", "was refused a deployment"
    DOMAIN_CREATED = "domain.created", "added a domain", "domain.create"
    DOMAIN_UPDATED = "domain.updated", "changed a domain", "domain.update"
    DOMAIN_DELETED = "domain.deleted", "removed a domain", "domain.delete"
    DOMAIN_CLAIM_REQUESTED = "domain_claim.requested", "claimed a domain"
    DOMAIN_CLAIM_VERIFIED = "domain_claim.verified", "verified a domain claim", "", _ROUTES
    DOMAIN_CLAIM_REFUSED = "domain_claim.refused", "was refused a domain claim"
    DOMAIN_CLAIM_RELEASED = "domain_claim.released", "released a domain claim", "", _ROUTES
    DOMAIN_CLAIM_LOST = "domain_claim.lost", "ended a domain claim", "", _ROUTES
    DOMAIN_CLAIM_MOVED = "domain_claim.moved", "moved a domain claim", "", _ROUTES
    BACKEND_CREATED = "backend.created", "added a backend", "backend.create"
    BACKEND_UPDATED = "backend.updated", "changed a backend", "backend.update"
    BACKEND_DELETED = "backend.deleted", "removed a backend", "backend.delete"
    HEADER_CREATED = "header.created", "added a header rule", "header.create"
    HEADER_UPDATED = "header.updated", "changed a header rule", "header.update"
    HEADER_DELETED = "header.deleted", "removed a header rule", "header.delete"
    SNIPPET_CREATED = "snippet.created", "added a snippet", "vcl.update"
    SNIPPET_UPDATED = "snippet.updated", "changed a snippet", "vcl.update"
    SNIPPET_CONTENT_CHANGED = "snippet.content_changed", "changed the content of a dynamic snippet", "vcl.update", _ROUTES
    SNIPPET_DELETED = "snippet.deleted", "removed a snippet", "vcl.update"
    VCL_CREATED = "vcl.created", "added a VCL file", "vcl.create"
    VCL_UPDATED = "vcl.updated", "changed a VCL file", "vcl.update"
    VCL_DELETED = "vcl.deleted", "removed a VCL file", "vcl.delete"
    LOGGING_CREATED = "logging.created", "added a logging endpoint", "logging.create"
    LOGGING_UPDATED = "logging.updated", "changed a logging endpoint", "logging.update"
    LOGGING_DELETED = "logging.deleted", "removed a logging endpoint", "logging.delete"
    CONDITION_CREATED = "condition.created", "added a condition", "version.update"
    CONDITION_UPDATED = "condition.updated", "changed a condition", "version.update"
    CONDITION_DELETED = "condition.deleted", "removed a condition", "version.update"
    REQUEST_SETTINGS_CREATED = "request_settings.created", "added a request setting", "request_settings.create"
    REQUEST_SETTINGS_UPDATED = "request_settings.updated", "changed a request setting", "request_settings.update"
    REQUEST_SETTINGS_DELETED = "request_settings.deleted", "removed a request setting", "request_settings.delete"
    CACHE_SETTINGS_CREATED = "cache_settings.created", "added a cache setting", "cache_settings.create"
    CACHE_SETTINGS_UPDATED = "cache_settings.updated", "changed a cache setting", "cache_settings.update"
    CACHE_SETTINGS_DELETED = "cache_settings.deleted", "removed a cache setting", "cache_settings.delete"
    GZIP_CREATED = "gzip.created", "added a gzip setting", "gzip.create"
    GZIP_UPDATED = "gzip.updated", "changed a gzip setting", "gzip.update"
    GZIP_DELETED = "gzip.deleted", "removed a gzip setting", "gzip.delete"
    RESPONSE_OBJECT_CREATED = "response_object.created", "added a response object", "response_object.create"
    RESPONSE_OBJECT_UPDATED = "response_object.updated", "changed a response object", "response_object.update"
    RESPONSE_OBJECT_DELETED = "response_object.deleted", "removed a response object", "response_object.delete"
    RATE_LIMITER_CREATED = "rate_limiter.created", "added a rate limiter", "version.update"
    RATE_LIMITER_UPDATED = "rate_limiter.updated", "changed a rate limiter", "version.update"
    RATE_LIMITER_DELETED = "rate_limiter.deleted", "removed a rate limiter", "version.update"
    APEX_REDIRECT_CREATED = "apex_redirect.created", "added an apex redirect", "version.update"
    APEX_REDIRECT_UPDATED = "apex_redirect.updated", "changed an apex redirect", "version.update"
    APEX_REDIRECT_DELETED = "apex_redirect.deleted", "removed an apex redirect", "version.update"
    HEALTHCHECK_CREATED = "healthcheck.created", "added a health check", "healthcheck.create"
    HEALTHCHECK_UPDATED = "healthcheck.updated", "changed a health check", "healthcheck.update"
    HEALTHCHECK_DELETED = "healthcheck.deleted", "removed a health check", "healthcheck.delete"
    DIRECTOR_CREATED = "director.created", "added a director", "director.create"
    DIRECTOR_UPDATED = "director.updated", "changed a director", "director.update"
    DIRECTOR_DELETED = "director.deleted", "removed a director", "director.delete"
    POOL_CREATED = "pool.created", "added a pool", "pool.create"
    POOL_UPDATED = "pool.updated", "changed a pool", "pool.update"
    POOL_SERVERS_CHANGED = "pool.servers_changed", "changed the servers of a pool", "pool.update"
    POOL_DELETED = "pool.deleted", "removed a pool", "pool.delete"
    ACL_CREATED = "acl.created", "added an ACL", "acl.create"
    ACL_UPDATED = "acl.updated", "changed an ACL", "acl.update"
    ACL_ENTRIES_CHANGED = "acl.entries_changed", "changed the entries of an ACL", "acl.update"
    ACL_DELETED = "acl.deleted", "removed an ACL", "acl.delete"
    DICTIONARY_CREATED = "dictionary.created", "added a dictionary", "version.update"
    DICTIONARY_UPDATED = "dictionary.updated", "changed a dictionary", "version.update"
    DICTIONARY_ITEMS_CHANGED = "dictionary.items_changed", "changed the items of a dictionary", "service.update"
    DICTIONARY_DELETED = "dictionary.deleted", "removed a dictionary", "version.update"
    RESOURCE_CREATED = "resource.created", "added a resource link", "version.update"
    RESOURCE_UPDATED = "resource.updated", "changed a resource link", "version.update"
    RESOURCE_DELETED = "resource.deleted", "removed a resource link", "version.update"
    SETTINGS_UPDATED = "settings.updated", "changed settings of a version", "version.update"
    HTTP3_CREATED = "http3.created", "switched HTTP/3 on", "version.update"
    HTTP3_DELETED = "http3.deleted", "switched HTTP/3 off", "version.update"
    IMAGE_OPTIMIZER_SETTINGS_UPDATED = "image_optimizer_settings.updated", "changed image optimizer settings", "io_settings.update"

    # Webhooks
    WEBHOOK_CREATED = "webhook.created", "added a webhook"
    WEBHOOK_UPDATED = "webhook.updated", "changed a webhook"
    WEBHOOK_DELETED = "webhook.deleted", "removed a webhook"
    WEBHOOK_PAUSED = "webhook.paused", "paused a webhook that kept failing"
    WEBHOOK_SECRET_ROTATED = (
        "webhook.secret_rotated",
        "replaced the signing secret of a webhook",
    )
    WEBHOOK_REPLAYED = "webhook.replayed", "sent the trail to a webhook again"
    WEBHOOK_RESENT = "webhook.resent", "sent a message to a webhook again"
    WEBHOOK_TESTED = "webhook.tested", "sent a test message to a webhook"

    # The catalogue
    CATALOGUE_PRODUCT_ADDED = "product.added", "added a product to the catalogue"
    CATALOGUE_PRODUCT_UPDATED = "product.updated", "changed a product of the catalogue"
    PRICE_PUBLISHED = "price.published", "published a price", "customer.pricing"
    PRICE_CLOSED = "price.closed", "ended a price", "customer.pricing"
    PLAN_ADDED = "plan.added", "added a plan"

    # Money
    CONTRACT_ASSIGNED = "contract.assigned", "assigned a contract", "customer.pricing"
    BILLING_ZONE_CHANGED = "billing_zone.changed", "changed the billing time zone", "customer.pricing"
    BILLING_CURRENCY_CHANGED = "billing_currency.changed", "changed the billing currency", "customer.pricing"
    INVOICE_DRAFTED = "invoice.drafted", "drafted an invoice"
    INVOICE_FINALIZED = "invoice.finalized", "finalised an invoice"
    INVOICE_VOIDED = "invoice.voided", "voided an invoice"
    USAGE_RECEIVED_LATE = "usage.received_late", "received usage after the month was closed"
    ADJUSTMENT_MADE = "adjustment.made", "adjusted the bill of a month"
    CREDIT_NOTE_ISSUED = "credit_note.issued", "issued a credit note"
    CREDIT_GRANTED = "credit.granted", "granted a credit"
    CREDIT_USED = "credit.used", "used a credit for an invoice"
    CREDIT_EXPIRED = "credit.expired", "let a credit expire"
    BUDGET_CHANGED = "budget.changed", "changed the budget"
    BUDGET_REMOVED = "budget.removed", "removed the budget"
    BUDGET_REACHED = "budget.reached", "reached a threshold of the budget"

    # Edges and usage
    EDGE_CREDENTIAL_ISSUED = "edge_credential.issued", "issued a credential to an edge"
    EDGE_CREDENTIAL_RENEWED = "edge_credential.renewed", "renewed an edge's credential"
    EDGE_CREDENTIAL_REVOKED = "edge_credential.revoked", "revoked an edge's credential"
    EDGE_OUTAGE_FOUND = "edge_outage.found", "found that an edge stopped reporting"
    EDGE_OUTAGE_ENDED = "edge_outage.ended", "found that the outage of an edge ended"
    USAGE_DISPUTE_FOUND = "usage.dispute_found", "reported usage that contradicts recorded usage"
    USAGE_DISPUTE_RESOLVED = "usage.dispute_resolved", "resolved a usage dispute"
    USAGE_VOIDED = "usage.voided", "voided usage that an edge reported"

    # The platform
    APPROVAL_REQUESTED = "approval.requested", "requested approval of a change"
    APPROVAL_GRANTED = "approval.granted", "approved a change"
    APPROVAL_REFUSED = "approval.refused", "declined a change"
    KEY_ROTATED = "key.rotated", "rotated a secret of the installation"
    DATABASE_BACKED_UP = "database.backed_up", "backed up the database"
    DATABASE_RESTORED = "database.restored", "restored the database from a backup"
    # fmt: on


# Keyed by name, so that the column of a row finds its phrase (a member equals its name).
DESCRIPTIONS: dict[str, str] = {event: event.description for event in Event}
FASTLY_TYPES: dict[str, str] = {
    event: event.fastly_type for event in Event if event.fastly_type
}

# Fastly's types of what does not happen here. A filter by one of them finds nothing, as at Fastly.
OTHER_FASTLY_TYPES: Final = frozenset(
    """
    address.create address.delete address.update alerts.definition.create alerts.definition.delete
    alerts.definition.test alerts.definition.update api_key.create billing.contact_update
    director_backend.create director_backend.delete invoice.failed_payment invoice.payment
    io_settings.create io_settings.delete ngwaf.agent_key.create ngwaf.agent_key.delete
    ngwaf.agent_key.update ngwaf.custom_signal.create ngwaf.custom_signal.delete
    ngwaf.custom_signal.update ngwaf.dashboard.create ngwaf.dashboard.delete ngwaf.dashboard.update
    ngwaf.default_dashboard.update ngwaf.event.update ngwaf.header_link.create
    ngwaf.header_link.delete ngwaf.header_link.update ngwaf.list.create ngwaf.list.delete
    ngwaf.list.update ngwaf.rate_limited_source.bulk_delete ngwaf.rate_limited_source.delete
    ngwaf.redaction.create ngwaf.redaction.delete ngwaf.redaction.update ngwaf.request_report.create
    ngwaf.rule.create ngwaf.rule.delete ngwaf.rule.update ngwaf.threshold.create
    ngwaf.threshold.delete ngwaf.threshold.update ngwaf.virtual_patch.update ngwaf.workspace.create
    ngwaf.workspace.delete ngwaf.workspace.update ngwaf.workspace_alert.create
    ngwaf.workspace_alert.delete ngwaf.workspace_alert.update ngwaf.workspace_alert_key.update
    rule_status.update rule_status.upsert security.event.update security.redaction.create
    security.redaction.delete security.redaction.update security.rule.create security.rule.delete
    security.rule.update security.virtual_patch.create security.virtual_patch.delete
    security.virtual_patch.update security.workspace.create security.workspace.delete
    security.workspace.update server.create server.delete server.update service.move
    service.move_destination service.move_source service.purge_all tls.activation.disable
    tls.activation.enable tls.activation.update tls.bulk_certificate.create
    tls.bulk_certificate.delete tls.bulk_certificate.update tls.certificate.create
    tls.certificate.delete tls.certificate.expiration_email tls.certificate.update
    tls.configuration.update tls.globalsign.domain.create tls.globalsign.domain.delete
    tls.globalsign.domain.verify tls.private_key.create tls.private_key.delete
    tls.subscription.create tls.subscription.delete tls.subscription.dns_check_email version.copy
    version.copy_destination version.copy_source waf.configuration_set_update waf.create waf.delete
    waf.disable waf.enable waf.owasp.create waf.owasp.update waf.ruleset.deploy
    waf.ruleset.deploy_failure waf.update wordpress.create wordpress.delete wordpress.update
    """.split()  # noqa: SIM905 - a line for each would be longer than the module
)
