"""Lists the events that each command notes, in order, in the attempts of `attempts.py`."""

# One command per line: a table.
# fmt: off
NOTED: dict[str, tuple[str, ...]] = {
    "accounts.commands.accounts.create_account": ("account.created", "user.created", "member.joined"),
    "accounts.commands.accounts.suspend_account": ("account.suspended",),
    "accounts.commands.accounts.resume_account": ("account.resumed",),
    "accounts.commands.accounts.record_staff_view": ("account.read",),
    "accounts.commands.invitations.invite": ("member.invited",),
    "accounts.commands.invitations.revoke_invitation": ("invitation.revoked",),
    "accounts.commands.members.change_role": ("member.role_changed",),
    "accounts.commands.members.limit_services": ("member.access_limited",),
    "accounts.commands.members.grant_service": ("service_access.granted",),
    "accounts.commands.members.revoke_service": ("service_access.revoked",),
    "accounts.commands.members.remove_member": ("token.revoked", "member.removed"),
    "accounts.commands.users.create_staff": ("user.created",),
    "accounts.commands.sign_in.note_login": ("user.logged_in",),
    "accounts.commands.sign_in.note_failed_login": ("user.login_failed",),
    "accounts.commands.sign_in.recorded_login_change": ("second_factor.enabled",),
    "accounts.commands.sign_in.set_password": ("password.changed",),
    "accounts.commands.sign_in.end_sessions": ("session.ended",),
    "accounts.commands.tokens.issue_token": ("token.issued",),
    "accounts.commands.tokens.revoke_token": ("token.revoked",),
    "products.catalogue.commands.add_product": ("product.added",),
    "products.catalogue.commands.update_product": ("product.updated",),
    "products.catalogue.commands.add_plan": ("plan.added",),
    # The price is noted in the platform's chain and in that of every account on the plan.
    "products.enablement.commands.prices.change_price": ("price.published", "price.published"),
    "products.enablement.commands.account.enable": ("product.enabled", "bill.changed"),
    "products.enablement.commands.account.disable": ("product.disabled", "bill.changed"),
    "products.enablement.commands.packages.assign_package": ("package.assigned", "product.enabled", "bill.changed"),
    "products.enablement.commands.packages.remove_package": ("package.removed", "product.disabled", "bill.changed"),
    "products.enablement.commands.requests.request_product": ("product.requested",),
    "products.enablement.commands.service.enable_for_service": ("service_product.enabled",),
    "products.enablement.commands.service.configure_for_service": ("service_product.configured",),
    "products.enablement.commands.service.disable_for_service": ("service_product.disabled",),
    "products.metering.commands.disputes.record_disputes": (),
    "products.metering.commands.disputes.resolve_dispute": ("usage.dispute_resolved",),
    "products.metering.commands.edges.issue_credential": ("edge_credential.revoked", "edge_credential.issued"),
    "products.metering.commands.edges.revoke_credential": ("edge_credential.revoked",),
    "products.metering.commands.edges.declare_restored": ("database.restored",),
    "products.services.commands.services.create_service": ("service.created",),
    "products.services.commands.services.update_service": ("service.updated",),
    "products.services.commands.services.delete_service": ("service.deleted",),
    "products.services.commands.versions.clone_version": ("version.cloned",),
    "products.services.commands.versions.create_version": ("version.created",),
    "products.services.commands.versions.comment_version": ("version.updated",),
    "products.services.commands.versions.lock_version": ("version.locked",),
    "products.services.commands.parts.add_part": ("domain.created",),
    "products.services.commands.parts.change_part": ("backend.updated",),
    "products.services.commands.parts.remove_part": ("header.deleted",),
    "products.services.commands.parts.set_single": ("settings.updated",),
    "products.deploy.commands.activate": ("version.activated",),
    "products.deploy.commands.deactivate": ("version.deactivated",),
}

# A member with limited access gets access to the service that they create (R21).
ALSO_NOTED: dict[tuple[str, str], tuple[str, ...]] = {
    ("products.services.commands.services.create_service", "inside"): ("service_access.granted",),
    ("products.services.commands.services.create_service", "outside"): ("service_access.granted",),
}

# Kinds that don't accept a host name as their name.
NAMES = {"acl": "new"}
# Each kind of part: its fields when it is added, the changes, and the events of add, change and remove.
PARTS: tuple[tuple[str, dict[str, object], dict[str, object], tuple[str, ...]], ...] = (
    ("domain", {}, {"comment": "Mine"}, ("domain.created", "domain.updated", "domain.deleted")),
    ("backend", {"address": "origin.example.com"}, {"port": 8443}, ("backend.created", "backend.updated", "backend.deleted")),
    ("header", {"action": "set", "type": "request", "dst": "http.X-A", "src": '"a"'}, {"src": '"b"'},
     ("header.created", "header.updated", "header.deleted")),
    ("snippet", {"type": "recv", "content": "# a"}, {"content": "# b"}, ("snippet.created", "snippet.updated", "snippet.deleted")),
    ("vcl", {"content": "# a"}, {"content": "# b"}, ("vcl.created", "vcl.updated", "vcl.deleted")),
    ("logging/https", {"url": "https://logs.example.com/in"}, {"url": "https://logs.example.com/new"},
     ("logging.created", "logging.updated", "logging.deleted")),
    ("condition", {"type": "REQUEST", "statement": "req.url"}, {"priority": 20}, ("condition.created", "condition.updated", "condition.deleted")),
    ("request_settings", {}, {"force_miss": True}, ("request_settings.created", "request_settings.updated", "request_settings.deleted")),
    ("cache_settings", {}, {"ttl": 5}, ("cache_settings.created", "cache_settings.updated", "cache_settings.deleted")),
    ("gzip", {}, {"extensions": "css"}, ("gzip.created", "gzip.updated", "gzip.deleted")),
    ("response_object", {}, {"status": 503}, ("response_object.created", "response_object.updated", "response_object.deleted")),
    ("healthcheck", {}, {"path": "/"}, ("healthcheck.created", "healthcheck.updated", "healthcheck.deleted")),
    ("director", {}, {"quorum": 50}, ("director.created", "director.updated", "director.deleted")),
    ("pool", {}, {"quorum": 50}, ("pool.created", "pool.updated", "pool.deleted")),
    ("acl", {}, {"name": "other"}, ("acl.created", "acl.updated", "acl.deleted")),
    ("resource", {}, {"resource_id": "x"}, ("resource.created", "resource.updated", "resource.deleted")),
    ("rate-limiters", {"action": "log_only"}, {"rps_limit": 20},
     ("rate_limiter.created", "rate_limiter.updated", "rate_limiter.deleted")),
    ("apex-redirects", {}, {"status_code": 301}, ("apex_redirect.created", "apex_redirect.updated", "apex_redirect.deleted")),
    ("dictionary", {}, {"write_only": True}, ("dictionary.created", "dictionary.updated", "dictionary.deleted")),
)
# fmt: on
