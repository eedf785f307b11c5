"""Every event the trail can hold, with its verb phrase and Fastly's word for it where there is one."""

from enum import StrEnum
from typing import Final


class Interface(StrEnum):
    """Through which door the actor came."""

    WEB = "web"
    API = "api"
    ADMIN = "admin"
    EDGE = "edge"
    COMMAND = "command"
    SYSTEM = "system"


class Outcome(StrEnum):
    """Whether it was carried out."""

    DONE = "done"
    REFUSED = "refused"


_ROUTES: Final = True  # the mark of an event after which the route table may differ


class Event(StrEnum):
    """The type of an entry: its name, what people read, Fastly's type ("" if Fastly has none), and a mark.

    An entry whose event has the mark `affects_routes` moves the account's `routes_revision`.

    Fastly's types: https://www.fastly.com/documentation/reference/api/account/events/, read 2026-11.
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

    # One event a line, as in a table.
    # fmt: off
    # The account and its people
    ACCOUNT_CREATED = "account.created", "created the account", "customer.create"
    ACCOUNT_RENAMED = "account.renamed", "renamed the account", "customer.update"
    ACCOUNT_SUSPENDED = "account.suspended", "suspended the account", "customer.update", _ROUTES
    ACCOUNT_RESUMED = "account.resumed", "lifted the suspension of the account", "customer.update", _ROUTES
    ACCOUNT_READ = "account.read", "looked into the account"
    USER_CREATED = "user.created", "created a user", "user.create"
    USER_UPDATED = "user.updated", "changed a user's details", "user.update"
    USER_DELETED = "user.deleted", "deleted a user", "user.destroy"
    MEMBER_INVITED = "member.invited", "invited a member", "invitation.sent"
    MEMBER_JOINED = "member.joined", "joined the account", "invitation.accept"
    INVITATION_REVOKED = "invitation.revoked", "withdrew an invitation"
    MEMBER_ROLE_CHANGED = "member.role_changed", "changed a member's role", "user.update"
    MEMBER_REMOVED = "member.removed", "removed a member", "user.destroy"
    MEMBER_ACCESS_LIMITED = "member.access_limited", "limited a member to chosen services", "user.update"
    MEMBER_ACCESS_UNLIMITED = "member.access_unlimited", "opened all services to a member", "user.update"
    SERVICE_ACCESS_GRANTED = "service_access.granted", "gave a member access to a service", "service_authorization.create"
    SERVICE_ACCESS_CHANGED = "service_access.changed", "changed a member's access to a service", "service_authorization.update"
    SERVICE_ACCESS_REVOKED = "service_access.revoked", "took a member's access to a service", "service_authorization.delete"

    # Signing in
    TOKEN_ISSUED = "token.issued", "issued an API token", "token.create"
    TOKEN_REVOKED = "token.revoked", "revoked an API token", "token.destroy"
    USER_LOGGED_IN = "user.logged_in", "signed in", "user.login"
    USER_LOGIN_FAILED = "user.login_failed", "failed to sign in", "user.login_failure"
    USER_LOGGED_OUT = "user.logged_out", "signed out", "user.logout"
    USER_REAUTHENTICATED = "user.reauthenticated", "confirmed who they are"
    USER_REAUTHENTICATION_FAILED = "user.reauthentication_failed", "failed to confirm who they are", "user.login_failure"
    SECOND_FACTOR_ENABLED = "second_factor.enabled", "enrolled a second factor", "two_factor_auth.enable"
    SECOND_FACTOR_DISABLED = "second_factor.disabled", "removed a second factor", "two_factor_auth.disable"
    PASSWORD_CHANGED = "password.changed", "changed their password", "user.password_update"
    PASSWORD_RESET = "password.reset", "set a new password by e-mail", "user.password_update"
    EMAIL_CHANGED = "email.changed", "changed their e-mail address", "user.update"

    # Products of an account, and what they do to the bill (R5)
    PRODUCT_ENABLED = "product.enabled", "enabled a product", "customer_feature.create", _ROUTES
    PRODUCT_DISABLED = "product.disabled", "disabled a product", "customer_feature.delete", _ROUTES
    PRODUCT_REQUESTED = "product.requested", "asked for a product"
    BILL_CHANGED = "bill.changed", "changed what the account is billed for", "customer.pricing"
    SERVICE_PRODUCT_ENABLED = "service_product.enabled", "switched a product on for a service", "service.update", _ROUTES
    SERVICE_PRODUCT_DISABLED = "service_product.disabled", "switched a product off for a service", "service.update", _ROUTES
    TRIAL_STARTED = "trial.started", "started a trial", "customer_feature.create"
    TRIAL_EXTENDED = "trial.extended", "extended a trial"
    TRIAL_ENDED = "trial.ended", "ended a trial", "customer_feature.delete"
    TRIAL_CONVERTED = "trial.converted", "turned a trial into a purchase", "customer.pricing"
    PACKAGE_ASSIGNED = "package.assigned", "assigned a package", "customer.pricing"
    PACKAGE_REMOVED = "package.removed", "removed a package", "customer.pricing"
    APPROVAL_REQUESTED = "approval.requested", "asked for approval"
    APPROVAL_GRANTED = "approval.granted", "approved a request"
    APPROVAL_REFUSED = "approval.refused", "refused a request"

    # Services, versions and what is in them
    SERVICE_CREATED = "service.created", "created a service", "service.create"
    SERVICE_UPDATED = "service.updated", "changed a service", "service.update"
    SERVICE_DELETED = "service.deleted", "deleted a service", "service.delete", _ROUTES
    VERSION_CREATED = "version.created", "created a version", "version.create"
    VERSION_CLONED = "version.cloned", "cloned a version", "version.clone"
    VERSION_UPDATED = "version.updated", "changed a version", "version.update"
    VERSION_LOCKED = "version.locked", "locked a version", "version.lock"
    VERSION_ACTIVATED = "version.activated", "deployed a version", "version.activate", _ROUTES
    VERSION_DEACTIVATED = "version.deactivated", "took a version out of service", "version.deactivate", _ROUTES
    DEPLOYMENT_REFUSED = "deployment.refused", "was refused a deployment"
    DOMAIN_CREATED = "domain.created", "added a domain", "domain.create"
    DOMAIN_UPDATED = "domain.updated", "changed a domain", "domain.update"
    DOMAIN_DELETED = "domain.deleted", "removed a domain", "domain.delete"
    BACKEND_CREATED = "backend.created", "added a backend", "backend.create"
    BACKEND_UPDATED = "backend.updated", "changed a backend", "backend.update"
    BACKEND_DELETED = "backend.deleted", "removed a backend", "backend.delete"
    HEADER_CREATED = "header.created", "added a header rule", "header.create"
    HEADER_UPDATED = "header.updated", "changed a header rule", "header.update"
    HEADER_DELETED = "header.deleted", "removed a header rule", "header.delete"
    CONDITION_CREATED = "condition.created", "added a condition", "vcl.update"
    CONDITION_UPDATED = "condition.updated", "changed a condition", "vcl.update"
    CONDITION_DELETED = "condition.deleted", "removed a condition", "vcl.update"
    HEALTHCHECK_CREATED = "healthcheck.created", "added a health check", "healthcheck.create"
    HEALTHCHECK_UPDATED = "healthcheck.updated", "changed a health check", "healthcheck.update"
    HEALTHCHECK_DELETED = "healthcheck.deleted", "removed a health check", "healthcheck.delete"
    REQUEST_SETTING_CREATED = "request_setting.created", "added request settings", "request_settings.create"
    REQUEST_SETTING_UPDATED = "request_setting.updated", "changed request settings", "request_settings.update"
    REQUEST_SETTING_DELETED = "request_setting.deleted", "removed request settings", "request_settings.delete"
    SETTINGS_UPDATED = "settings.updated", "changed a version's settings", "version.update"
    SNIPPET_CREATED = "snippet.created", "added a snippet", "vcl.update"
    SNIPPET_UPDATED = "snippet.updated", "changed a snippet", "vcl.update"
    SNIPPET_DELETED = "snippet.deleted", "removed a snippet", "vcl.update"
    VCL_CREATED = "vcl.created", "added a VCL file", "vcl.create"
    VCL_UPDATED = "vcl.updated", "changed a VCL file", "vcl.update"
    VCL_DELETED = "vcl.deleted", "removed a VCL file", "vcl.delete"
    LOGGING_CREATED = "logging.created", "added a logging endpoint", "logging.create"
    LOGGING_UPDATED = "logging.updated", "changed a logging endpoint", "logging.update"
    LOGGING_DELETED = "logging.deleted", "removed a logging endpoint", "logging.delete"

    # The catalogue
    CATALOGUE_PRODUCT_ADDED = "product.added", "added a product to the catalogue"
    CATALOGUE_PRODUCT_UPDATED = "product.updated", "changed a product of the catalogue"
    PRICE_PUBLISHED = "price.published", "published a price", "customer.pricing"
    PRICE_CLOSED = "price.closed", "closed a price", "customer.pricing"
    PLAN_ADDED = "plan.added", "added a plan"
    PLAN_RETIRED = "plan.retired", "retired a plan"

    # The edge and what it counts
    EDGE_CREDENTIAL_ISSUED = "edge_credential.issued", "issued a credential to an edge"
    EDGE_CREDENTIAL_REVOKED = "edge_credential.revoked", "revoked an edge's credential"
    CONNECTION_LIMIT_BLOCKED = "connection_limit.blocked", "turned connections away at the limit"
    USAGE_CONFLICT_FOUND = "usage.conflict_found", "found usage reports that contradict each other"
    USAGE_CONFLICT_RESOLVED = "usage.conflict_resolved", "resolved a usage conflict"
    USAGE_RECEIVED_LATE = "usage.received_late", "received usage after its month was closed"

    # Money
    BUDGET_CHANGED = "budget.changed", "changed a budget"
    BUDGET_REACHED = "budget.reached", "reached a budget"
    INVOICE_DRAFTED = "invoice.drafted", "drew up an invoice"
    INVOICE_FINALIZED = "invoice.finalized", "finalised an invoice"
    INVOICE_VOIDED = "invoice.voided", "voided an invoice"
    ADJUSTMENT_MADE = "adjustment.made", "adjusted a bill"
    CREDIT_NOTE_ISSUED = "credit_note.issued", "issued a credit note"
    CREDIT_GRANTED = "credit.granted", "granted a credit"
    CREDIT_USED = "credit.used", "used a credit"
    BILLING_ZONE_CHANGED = "billing_zone.changed", "changed the billing zone", "billing.contact_update", _ROUTES
    BILLING_CURRENCY_CHANGED = "billing_currency.changed", "changed the billing currency", "customer.pricing"

    # The trail itself, and the platform
    AUDIT_READ = "audit.read", "read the account's trail as staff"
    AUDIT_EXPORTED = "audit.exported", "exported the trail"
    AUDIT_PROOF_REQUESTED = "audit.proof_requested", "asked for a proof of an event"
    AUDIT_CHECKPOINT_SIGNED = "audit.checkpoint_signed", "signed a checkpoint of the trail"
    AUDIT_WRITER_PAUSED = "audit.writer_paused", "left a gap in which nothing was recorded"
    KEY_ROTATED = "key.rotated", "replaced a signing key"
    DB_DIRECT_CHANGE = "db.direct_change", "changed the database outside the application"
    COMMAND_RUN = "command.run", "ran a management command"
    DATABASE_RESTORED = "database.restored", "restored the database from a backup"
    DEMO_LOADED = "demo.loaded", "loaded the demo"
    # fmt: on


# Keyed by the name, so that a row's column finds its word too (a member equals its name).
DESCRIPTIONS: dict[str, str] = {event: event.description for event in Event}
FASTLY_TYPES: dict[str, str] = {
    event: event.fastly_type for event in Event if event.fastly_type
}
