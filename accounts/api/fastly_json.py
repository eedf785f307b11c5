"""Users, accounts, tokens and events as JSON in Fastly's format.

Keys are left out instead of null if fastly-py 15.0 raises on null: a token's `expires_at`,
`last_used_at`, `ip` and `user_agent`; an event's `service_id`, `user_id`, `token_id` and `ip`.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from accounts.actor import ActorType
from accounts.audit.models import AuditEvent
from accounts.audit.names import Names
from accounts.audit.sentences import sentence_of
from accounts.audit.vocabulary import Event
from accounts.models import Account, ApiToken, Invitation, Membership

Json = dict[str, Any]
ID_DIGITS = 22  # the length of every id in the API


def user(membership: Membership) -> Json:
    """Return a user as a member of one account."""
    person = membership.user
    return {
        "id": person.pk,
        "name": person.name,
        "login": person.email,
        "customer_id": membership.account_id,
        "role": membership.role,
        "roles": [membership.role],
        "limit_services": membership.limit_services,
        "locked": not person.is_active,
        "require_new_password": False,
        "two_factor_auth_enabled": None,  # private; Fastly's clients accept null
        "last_active_at": None,
        "created_at": person.created_at,
        # The membership has the time of the request, the user that of its row.
        "updated_at": max(person.created_at, membership.updated_at),
        "deleted_at": None,
    }


def invited_user(row: Invitation) -> Json:
    """Return someone who has not accepted the invitation yet, as a locked user."""
    return {
        "id": row.pk,
        "name": row.name or row.email,
        "login": row.email,
        "customer_id": row.account_id,
        "role": row.role,
        "roles": [row.role],
        "limit_services": row.limit_services,
        "locked": True,
        "require_new_password": True,
        "two_factor_auth_enabled": None,
        "last_active_at": None,
        "created_at": row.created_at,
        "updated_at": row.created_at,
        "deleted_at": None,
    }


def customer(account: Account) -> Json:
    """Return an account. What is not stored has the value of a plain account."""
    return {
        "id": account.pk,
        "name": account.name,
        "created_at": account.created_at,
        "updated_at": account.created_at,
        "deleted_at": None,
        "billing_contact_id": None,
        "technical_contact_id": None,
        "security_contact_id": None,
        "legal_contact_id": None,
        "billing_network_type": "public",
        "billing_ref": None,
        "can_upload_vcl": True,
        "can_reset_passwords": True,
        "force_2fa": settings.SECOND_FACTOR_REQUIRED or account.second_factor_required,
        "force_sso": False,
        "has_account_panel": True,
        "has_pci": False,
        "ip_whitelist": "0.0.0.0/0",
        "postal_address": None,
        "pricing_plan": "customer",
    }


def token(row: ApiToken) -> Json:
    """Return a token, without its secret."""
    required = {
        "id": row.pk,
        "customer_id": row.account_id,
        "name": row.name,
        "scope": row.scope,
        "scopes": [row.scope],
        "services": list(row.services),
        "service_id": next(iter(row.services), None),
        "created_at": row.created_at,
        "sudo_expires_at": None,
    }
    optional = {
        "user_id": row.user_id,
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
        "ip": row.ip,
        "user_agent": row.user_agent,
    }
    return required | given(optional)


def automation_token(row: ApiToken) -> Json:
    """Return an automation token, without its secret; no workspace and no TLS is limited here."""
    required = {
        "id": row.pk,
        "customer_id": row.account_id,
        "name": row.name,
        "role": row.role,
        "roles": [{"id": row.role, "name": row.role}],
        "scope": row.scope,
        "services": list(row.services),
        "limit_services": bool(row.services),
        "workspaces": [],
        "limit_workspaces": False,
        "tls_access": False,
        "created_at": row.created_at,
    }
    optional = {
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
        "ip": row.ip,
        "user_agent": row.user_agent,
    }
    return required | given(optional)


def event_id(sequence: int) -> str:
    """Return an event's id: its sequence, padded to the length of every id."""
    return f"{sequence:0{ID_DIGITS}d}"


def event(row: AuditEvent, ip: str, names: Names) -> Json:
    """Return an entry of the audit trail as a JSON:API resource."""
    body = row.body
    on_behalf_of = str(body.get("on_behalf_of", ""))
    is_token = row.actor_type == ActorType.TOKEN
    is_user = row.actor_type == ActorType.USER
    attributes = {
        "admin": row.actor_type == ActorType.STAFF,
        "created_at": row.at,
        "customer_id": row.account_id,
        "description": str(sentence_of(row, names)),
        "event_type": row.fastly_type,
        "metadata": metadata(row, body),
    }
    optional = {
        "service_id": row.service_id,
        "user_id": row.actor_id if is_user else on_behalf_of,
        "token_id": row.actor_id if is_token else "",
        "ip": ip,
    }
    return {
        "id": event_id(row.sequence),
        "type": "event",
        "attributes": attributes | given(optional),
    }


def metadata(row: AuditEvent, body: Mapping[str, object]) -> Json:
    """Return what an event changed: `old`, `new` and the product."""
    if row.action == Event.VERSION_ACTIVATED:
        return version_number(body) | given({"product": row.product})
    if row.action in {Event.SERVICE_PRODUCT_ENABLED, Event.SERVICE_PRODUCT_DISABLED}:
        enabled = row.action == Event.SERVICE_PRODUCT_ENABLED
        return {"product": row.product, "enabled": enabled}
    return given(
        {"old": body.get("before"), "new": body.get("after"), "product": row.product}
    )


def version_number(body: Mapping[str, object]) -> Json:
    """Return the version number of an activation, if the entry has it."""
    after = body.get("after")
    number = after.get("active_version") if isinstance(after, dict) else None
    return {"version_number": number} if isinstance(number, int) else {}


def given(values: Mapping[str, Any]) -> Json:
    """Return the values that are neither None nor empty."""
    return {
        name: value
        for name, value in values.items()
        if value is not None and value != ""
    }
