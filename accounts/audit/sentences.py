"""Entries as sentences: "Eve switched WebSockets on for echo", made from the whole entry.

Activity, Home, the admin, exports, notices and emails use the same sentence. Nothing in the chain
changes: an entry of an older version that lacks a value gets a shorter form of its sentence.

The words are in a table of forms per event. A form has values in braces; `_values` lists them. The
first form is used whose values the entry has.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from accounts.actor import STAFF_MARK, ActorType, actor_words
from accounts.audit.models import PLATFORM, AuditEvent
from accounts.audit.names import NO_NAMES, Names, field_label, is_id
from accounts.audit.vocabulary import Event
from accounts.date_formats import minute_text
from accounts.readable import counted, limit_in_words

MAX_NAMES: Final = 3  # services that a sentence names; more are counted
LEVELS: Final = ("access", "level")  # the fields of an access level on a service
MONTHS: Final = ("month", "from_month")  # such as 2026-10
COUNTS: Final = ("connections", "minutes", "rows", "conflicts")
SESSION_LIMITS: Final = ("session_idle_seconds", "session_max_seconds")
NANO, MICRO = Decimal(10) ** -9, Decimal(10) ** -6

# One event per line, as in a table.
# fmt: off
FORMS: Final[Mapping[str, tuple[str, ...]]] = {
    # Accounts and members
    Event.ACCOUNT_CREATED: ("{actor} created the account {target}",),
    Event.ACCOUNT_SUSPENDED: ("{actor} suspended the account: {reason}", "{actor} suspended the account"),
    Event.ACCOUNT_RESUMED: ("{actor} lifted the suspension of the account: {reason}", "{actor} lifted the suspension of the account"),
    Event.ACCOUNT_RENAMED: ("{actor} renamed the account from {before.name} to {after.name}",),
    Event.ACCOUNT_TIME_ZONE_CHANGED: ("{actor} changed the account's time zone from {before.time_zone} to {after.time_zone}",),
    Event.NOTICE_DEFAULTS_CHANGED: ("{actor} changed which notices members get by email by default: {fields}", "{actor} changed which notices members get by email by default"),
    Event.ACCOUNT_SECOND_FACTOR_CHANGED: ("{actor} made a second factor {after.second_factor} for all members: {reason}", "{actor} made a second factor {after.second_factor} for all members"),
    Event.ACCOUNT_SESSION_LIMITS_CHANGED: (
        "{actor} changed the session limits of all members: {after.session_idle_seconds} without use, {after.session_max_seconds} after signing in",
        "{actor} changed the session limits of all members: {after.session_idle_seconds} without use",
        "{actor} changed the session limits of all members: {after.session_max_seconds} after signing in",
    ),
    Event.ACCOUNT_READ: ("{actor} viewed the account",),
    Event.AUDIT_READ: ("{actor} viewed the audit trail",),
    Event.USER_DISABLED: ("{actor} disabled the login of {target}: {reason}", "{actor} disabled the login of {target}"),
    Event.USER_ENABLED: ("{actor} enabled the login of {target}: {reason}", "{actor} enabled the login of {target}"),
    Event.STAFF_APPOINTED: ("{actor} appointed {target} as {staff}",),
    Event.STAFF_REMOVED: ("{actor} removed {target} from the staff: {reason}", "{actor} removed {target} from the staff"),
    Event.USER_CREATED: ("{self} created a login", "{actor} created the staff user {platform_target}", "{actor} created a login for {target}"),
    Event.USER_UPDATED: ("{self} changed their name from {before.name} to {after.name}", "{actor} changed the name of {target}"),
    Event.MEMBER_INVITED: ("{actor} invited {target} as {after.role}, with access to {services}", "{actor} invited {target} as {after.role}"),
    Event.MEMBER_JOINED: ("{self} joined as {after.role}", "{actor} added {target} as {after.role}"),
    Event.INVITATION_RESENT: ("{actor} sent the invitation for {target} again",),
    Event.INVITATION_REVOKED: ("{actor} withdrew the invitation for {target}",),
    Event.MEMBER_ROLE_CHANGED: ("{actor} changed {target}'s role from {before.role} to {after.role}",),
    Event.MEMBER_REMOVED: ("{actor} removed {target} ({before.role}) from the account", "{actor} removed {target} from the account"),
    Event.MEMBER_DISABLED: ("{actor} disabled the access of {target}: {reason}", "{actor} disabled the access of {target}"),
    Event.MEMBER_ENABLED: ("{actor} enabled the access of {target}: {reason}", "{actor} enabled the access of {target}"),
    Event.MEMBER_ACCESS_LIMITED: ("{actor} limited {target} to {services}", "{actor} limited {target} to no services"),
    Event.MEMBER_ACCESS_UNLIMITED: ("{actor} gave {target} access to all services",),
    Event.SERVICE_ACCESS_GRANTED: ("{target} got {after.level} access to {service} by creating it", "{actor} gave {target} {after.access} access to {service}"),
    Event.SERVICE_ACCESS_CHANGED: ("{actor} changed {target}'s access to {service} from {before.access} to {after.access}",),
    Event.SERVICE_ACCESS_REVOKED: ("{actor} removed {target}'s access to {service}",),

    # Sign-in and tokens
    Event.TOKEN_ISSUED: ("{actor} created the API token {target} (scope {after.scope}, valid until {after.expires_at})",),
    Event.TOKEN_EXPIRING: ("The automation token {target} ({after.role}) expires on {after.expires_at}", "The API token {target} of {after.owner} expires on {after.expires_at}", "The API token {target} expires soon"),
    Event.TOKEN_REVOKED: ("{actor} revoked the API token {target} of {before.owner}", "{actor} revoked the API token {target}"),
    Event.USER_LOGGED_IN: ("{actor} signed in",),
    # Who failed is unknown: it must not read as if the person did it.
    Event.USER_LOGIN_FAILED: ("Failed sign-in as {target}",),
    Event.USER_LOGGED_OUT: ("{actor} signed out",),
    Event.USER_REAUTHENTICATED: ("{actor} re-authenticated",),
    Event.USER_REAUTHENTICATION_FAILED: ("{actor} failed to re-authenticate",),
    Event.PASSWORD_CHANGED: ("{actor} changed their password",),
    Event.PASSWORD_RESET_REQUESTED: ("{actor} asked {target} to choose a new password",),
    Event.PASSWORD_RESET: ("{actor} reset their password by email",),
    Event.SECOND_FACTOR_ENABLED: ("{actor} added the {after.second_factor} {after.name}", "{actor} added a second factor: {after.second_factor}", "{actor} added a second factor"),
    Event.SECOND_FACTOR_DISABLED: ("{actor} removed the {after.second_factor} {after.name}", "{actor} removed a second factor: {after.second_factor}", "{actor} removed a second factor"),
    Event.SECOND_FACTOR_RENAMED: ("{actor} renamed a {after.second_factor} to {after.name}", "{actor} renamed a second factor"),
    Event.RECOVERY_CODES_GENERATED: ("{actor} generated recovery codes",),
    Event.RECOVERY_CODES_REMOVED: ("{actor} removed their recovery codes",),
    Event.RECOVERY_CODES_VIEWED: ("{actor} viewed their recovery codes",),
    Event.EMAIL_CHANGE_REQUESTED: ("{actor} asked to change their email address to {after.email}",),
    Event.EMAIL_CHANGE_CANCELLED: ("{actor} cancelled the change of their email address to {after.email}",),
    Event.EMAIL_CHANGED: ("{actor} changed their email address to {after.email}",),
    Event.NOTICE_PREFERENCES_CHANGED: ("{actor} changed which notices they get by email: {fields}", "{actor} changed which notices they get by email"),
    Event.USER_DATE_FORMAT_CHANGED: ("{self} changed the format of their dates",),
    Event.USER_TIME_ZONE_CHANGED: ("{self} changed their time zone to {after.time_zone}", "{self} changed their time zone to the account's"),
    Event.SESSION_ENDED: ("{self} ended a session", "{actor} ended a session of {target}"),

    # Products of an account, and the bill
    Event.PRODUCT_ENABLED: ("{actor} enabled {product} as part of the package {package}", "{actor} enabled {product}"),
    Event.PRODUCT_DISABLED: ("{actor} disabled {product}",),
    Event.PRODUCT_BLOCKED: ("{product} was blocked while it is {disabled}, so new connections are refused if it is enabled: {after.reason}", "{product} was blocked, so new connections are refused: {after.reason}", "{product} was blocked, so new connections are refused"),
    Event.PRODUCT_UNBLOCKED: ("{actor} ended the block of {product}",),
    Event.PRODUCT_REQUESTED: ("{actor} requested {product}: “{after.note}”", "{actor} requested {product}"),
    Event.PRODUCT_REQUEST_GRANTED: ("{actor} granted {after.requested_by}'s request for {product}", "{actor} granted a request for {product}"),
    Event.PRODUCT_REQUEST_ANSWERED: ("{actor} answered {after.requested_by}'s request for {product}: {reason}", "{actor} answered {after.requested_by}'s request for {product}"),
    Event.PRODUCT_REQUEST_DECLINED: ("{actor} declined {after.requested_by}'s request for {product}: {reason}", "{actor} declined {after.requested_by}'s request for {product}"),
    Event.PRODUCT_REQUEST_WITHDRAWN: ("{actor} withdrew their request for {product}",),
    Event.BILL_CHANGED: ("{product} was added to the bill (price version {added_price})", "{product} was added to the bill as part of the package {package}", "{product} was removed from the bill; {kept_connections}", "{product} was removed from the bill; usage is billed until {after.billed_until}", "The bill changed: {product}"),
    Event.TRIAL_STARTED: ("{actor} started a trial of {product} until {after.ends_at}", "{actor} started a trial of {product}"),
    Event.TRIAL_ENDING: ("The trial of {product} ends on {after.ends_at}. New connections are refused then unless a superuser purchases it", "The trial of {product} ends on {after.ends_at}", "The trial of {product} ends soon"),
    Event.TRIAL_ENDED: ("{actor} ended the trial of {product}: {reason}", "The trial of {product} ended: {after.reason}", "The trial of {product} ended"),
    Event.TRIAL_CONVERTED: ("{actor} replaced the trial of {product} with the package {package}", "{actor} purchased {product} after the trial"),
    Event.SERVICE_PRODUCT_ENABLED: ("{actor} switched {product} on for {service}",),
    Event.SERVICE_PRODUCT_DISABLED: ("{actor} switched {product} off for {service}",),
    Event.SERVICE_PRODUCT_CONFIGURED: ("{actor} changed the options of {product} for {service}: {fields}", "{actor} changed the options of {product} for {service}"),
    Event.PACKAGE_ASSIGNED: ("{actor} assigned {product} from the package {after.plan}", "{actor} assigned {product} from a package"),
    Event.PACKAGE_REMOVED: ("{actor} removed {product} (package {before.plan}): {reason}", "{actor} removed {product} (package {before.plan})"),

    # Services and versions; the parts of a version are derived, see `_forms_of_parts`
    Event.SERVICE_CREATED: ("{actor} created the service {target}",),
    Event.SERVICE_UPDATED: ("{actor} renamed the service {before.name} to {after.name}", "{actor} changed the {fields} of {service}"),
    Event.SERVICE_DELETED: ("{actor} deleted the service {target}",),
    Event.VERSION_CREATED: ("{actor} created version {n} of {service}",),
    Event.VERSION_CLONED: ("{actor} cloned version {after.cloned_from} of {service} to version {n}",),
    Event.VERSION_UPDATED: ("{actor} changed the comment of version {n} of {service}",),
    Event.VERSION_LOCKED: ("{actor} locked version {n} of {service}",),
    Event.VERSION_ACTIVATED: ("{actor} rolled {service} back from version {newer} to {n}", "{actor} activated version {n} of {service}"),
    Event.VERSION_DEACTIVATED: ("{actor} deactivated version {n} of {service}",),
    Event.VERSION_STAGED: ("{actor} staged version {n} of {service}",),
    Event.VERSION_UNSTAGED: ("{actor} ended the staging of version {n} of {service}",),
    Event.DEPLOYMENT_REFUSED: ("{actor} tried to activate version {n} of {service}: {first_reason} ({more_reasons})", "{actor} tried to activate version {n} of {service}: {first_reason}", "{actor} tried to activate version {n} of {service}"),
    Event.SETTINGS_UPDATED: ("{actor} changed settings in version {n} of {service}: {fields}", "{actor} changed settings in version {n} of {service}"),
    Event.IMAGE_OPTIMIZER_SETTINGS_UPDATED: ("{actor} changed image optimizer settings in version {n} of {service}: {fields}", "{actor} changed image optimizer settings in version {n} of {service}"),
    Event.HTTP3_CREATED: ("{actor} switched HTTP/3 on in version {n} of {service}",),
    Event.HTTP3_DELETED: ("{actor} switched HTTP/3 off in version {n} of {service}",),
    Event.SNIPPET_CONTENT_CHANGED: ("{actor} changed the content of the dynamic snippet {target} of {service}",),
    Event.POOL_SERVERS_CHANGED: ("{actor} changed the servers of the pool {target} of {service}",),
    Event.ACL_ENTRIES_CHANGED: ("{actor} changed the entries of the ACL {target} of {service}",),
    Event.DICTIONARY_ITEMS_CHANGED: ("{actor} changed the items of the dictionary {target} of {service}",),

    # Domain claims
    Event.DOMAIN_CLAIM_REQUESTED: ("{actor} claimed the domain {target}",),
    Event.DOMAIN_CLAIM_VERIFIED: ("{actor} verified the claim on the domain {target}",),
    Event.DOMAIN_CLAIM_REFUSED: ("{actor} tried to claim the domain {target}: {first_reason}", "{actor} tried to claim the domain {target}"),
    Event.DOMAIN_CLAIM_RELEASED: ("{actor} released the claim on the domain {target}",),
    Event.DOMAIN_CLAIM_LOST: ("The claim on the domain {target} ended: {reason}", "The claim on the domain {target} ended"),
    Event.DOMAIN_CLAIM_MOVED: ("{actor} moved the domain {received} to this account: {reason}", "{actor} moved the domain {target} to another account: {reason}", "{actor} moved the claim on the domain {target}"),

    # Webhooks
    Event.WEBHOOK_CREATED: ("{actor} added the webhook {target}",),
    Event.WEBHOOK_UPDATED: ("{actor} changed the webhook {target}: {fields}", "{actor} changed the webhook {target}"),
    Event.WEBHOOK_DELETED: ("{actor} removed the webhook {target}",),
    Event.WEBHOOK_PAUSED: ("{actor} paused the webhook {target}: {reason}", "{actor} paused the webhook {target}"),
    Event.WEBHOOK_SECRET_ROTATED: ("{actor} replaced the signing secret of the webhook {target}; the earlier one is valid until {after.earlier_secret_until}", "{actor} replaced the signing secret of the webhook {target}"),
    Event.WEBHOOK_REPLAYED: ("{actor} sent the trail to the webhook {target} again",),
    Event.WEBHOOK_RESENT: ("{actor} sent a message to the webhook {target} again",),
    Event.WEBHOOK_TESTED: ("{actor} sent a test message to the webhook {target}",),

    # The catalogue
    Event.CATALOGUE_PRODUCT_ADDED: ("{actor} added {target} to the catalogue",),
    Event.CATALOGUE_PRODUCT_UPDATED: ("{actor} changed {target} in the catalogue: {fields}", "{actor} changed {target} in the catalogue"),
    Event.PRICE_PUBLISHED: ("{actor} published price version {platform_number} of {product}, effective {after.effective_from}", "The price of {product} changes on {after.effective_from}: price version {after.number}"),
    Event.PRICE_CLOSED: ("{actor} withdrew price version {before.number} of {product}",),
    Event.PLAN_ADDED: ("{actor} added the plan {target} to {product}",),

    # Money
    Event.CONTRACT_ASSIGNED: ("{actor} assigned a contract from {after.from_month}", "{actor} assigned a contract"),
    Event.BILLING_ZONE_CHANGED: ("{actor} changed the billing time zone from {before.billing_zone} to {after.billing_zone}",),
    Event.BILLING_CURRENCY_CHANGED: ("{actor} changed the billing currency from {before.currency} to {after.currency}",),
    Event.INVOICE_DRAFTED: ("The invoice for {after.month} was drafted", "{target} was drafted"),
    Event.INVOICE_FINALIZED: (
        "{actor} finalised the invoice {target} of late usage in {after.late_usage_in}, which replaces {after.replaces}",
        "{actor} finalised the invoice {target} of late usage in {after.late_usage_in}",
        "{actor} finalised the invoice {target} for {after.month}, which replaces {after.replaces}",
        "{actor} finalised the invoice {target} for {after.month}",
        "{actor} finalised the invoice {target}",
    ),
    Event.INVOICE_VOIDED: ("{actor} voided the invoice {target}: {reason}", "{actor} voided the invoice {target}"),
    Event.USAGE_RECEIVED_LATE: ("Usage arrived after the month was closed: {target}",),
    Event.ADJUSTMENT_MADE: ("{actor} adjusted the bill for {after.month} by {after.amount}: {reason}", "{actor} adjusted the bill by {after.amount}: {reason}", "{actor} adjusted the bill: {reason}", "{actor} adjusted the bill"),
    Event.CREDIT_NOTE_ISSUED: ("{actor} issued the credit note {target} of {after.amount}", "{actor} issued the credit note {target}"),
    Event.CREDIT_GRANTED: ("{actor} granted a credit of {after.amount}: {reason}", "{actor} granted a credit of {after.amount}"),
    Event.CREDIT_USED: ("A credit of {after.amount} was used for the invoice {target}",),
    Event.CREDIT_EXPIRED: ("A credit expired; {after.amount} of it was not used", "A credit expired"),
    Event.BUDGET_CHANGED: (
        "{actor} changed the budget from {before.amount} to {after.amount}; it {budget_does}",
        "{actor} changed the budget from {before.amount} to {after.amount}",
        "{actor} set the budget to {after.amount}; it {budget_does}",
        "{actor} set the budget to {after.amount}",
        "{actor} changed the budget; it {budget_does}",
        "{actor} changed the budget: {fields}",
    ),
    Event.BUDGET_REMOVED: ("{actor} removed the budget of {before.amount}", "{actor} removed the budget"),
    Event.BUDGET_REACHED: ("The bill for {after.month} reached {after.percent} % of the budget: {after.spent} of {after.amount}", "The bill reached {after.percent} % of the budget"),

    # Edges and usage, the platform
    Event.EDGE_CREDENTIAL_ISSUED: ("{actor} issued a credential for the edge {target}",),
    Event.EDGE_CREDENTIAL_RENEWED: ("The edge {target} renewed its credential, which is valid until {after.expires_at}", "The edge {target} renewed its credential"),
    Event.EDGE_CREDENTIAL_REVOKED: ("{actor} revoked the credential of the edge {target}",),
    Event.EDGE_OUTAGE_FOUND: ("The edge {target} has not reported since {after.since}",),
    Event.EDGE_OUTAGE_ENDED: ("The edge {target} reports again since {after.online_at}; it had not since {after.since}", "The edge {target}, which had not reported since {after.since}, was taken out of service"),
    Event.USAGE_DISPUTE_FOUND: ("The edge {target} reported usage that contradicts recorded usage ({conflicts})",),
    Event.USAGE_DISPUTE_RESOLVED: ("{actor} resolved a usage dispute of {service} with the {after.kept} values: {reason}", "{actor} resolved a usage dispute with the {after.kept} values: {reason}", "{actor} resolved a usage dispute"),
    Event.USAGE_VOIDED: ("{actor} voided what the edge {target} reported: {connections} with {minutes} from {after.starts_at} to {after.ends_at}: {reason}", "{actor} voided what the edge {target} reported from {after.starts_at} to {after.ends_at}: {reason}", "{actor} voided usage that the edge {target} reported"),
    Event.APPROVAL_REQUESTED: ("{actor} requested approval: {target}",),
    Event.APPROVAL_GRANTED: ("{actor} approved: {target}",),
    Event.APPROVAL_REFUSED: ("{actor} declined: {target}: {reason}", "{actor} declined: {target}"),
    Event.KEY_ROTATED: ("{actor} rotated {target}; the earlier value counts until {after.counts_until}", "{actor} rotated {target}"),
    Event.DATABASE_BACKED_UP: ("{actor} backed up the database ({after.rows} rows)", "{actor} backed up the database"),
    Event.DATABASE_RESTORED: ("{actor} declared that the database was restored; edges resend their usage",),
}
# fmt: on
_PLACE = re.compile(r"\{([a-z_0-9.]+)\}")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})")
FIELD_LABELS: Final = {
    "agreed_locale": "Language of the agreement",
    "agreed_record_hash": "SHA-256 of the agreed terms",
    "agreed_text": "Agreed text",
    "cloned_from": "Cloned from version",
    "drain_mode": "Open connections",
    "effective_from": "Effective from",
    "enablement": "Enablement ID",
    "fee_micros": "Monthly fee",
    "in_words": "Price in words",
    "included_units": "Included per month",
    "limit_services": "Limited to chosen services",
    "overlap_seconds": "Overlap in seconds",
    "price_number": "Price version",
    "price_version": "Price version ID",
    "session_idle_seconds": "Longest time without use",
    "session_max_seconds": "Longest session",
    "tiers": "Prices",
    "workspace_id": "Workspace ID",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence without its full stop; `subject` is the actor's name, "" if it has another one."""

    subject: str
    predicate: str
    has_reason: bool  # whether it says the reason that was given for the change

    def __str__(self) -> str:
        """Return the whole sentence."""
        return f"{self.subject} {self.predicate}".strip()


@dataclass(frozen=True, slots=True)
class LabelledChange:
    """A changed field with its label, and both values as text; "" if it had none."""

    field: str
    before: str
    after: str


def sentence_of(entry: AuditEvent, names: Names = NO_NAMES) -> Sentence:
    """Return an entry as a sentence. `names` is from `names_in`; without a name, the id is shown."""
    values = _values(entry, names)
    for form in (*FORMS.get(entry.action, ()), *_forms_of_parts(entry)):
        places = _PLACE.findall(form)
        if all(values.get(place) for place in places):
            return _filled(form, values)
    phrase = f"{{actor}} {entry.description}"
    return _filled(phrase if entry.is_about_actor else f"{phrase}: {{target}}", values)


def entry_for_programs(entry: AuditEvent, names: Names) -> dict[str, Any]:
    """Return an entry as the API and webhooks send it.

    `sequence`, both hashes and `sentence` are beside the hashed text; all other fields are its own.
    """
    return {
        "sequence": entry.sequence,
        "event_hash": entry.event_hash,
        "prev_hash": entry.prev_hash,
        "sentence": str(sentence_of(entry, names)),
        **entry.body,
    }


def actor_of_entry(entry: AuditEvent) -> str:
    """Return who acted, as people read it: a name, with "token", "staff" or the job's platform.

    A job that acted for a person, such as the one that lets them join, reads as the person.
    """
    label = entry.actor_label or entry.actor_id
    if entry.actor_type == ActorType.SYSTEM and entry.body.get("on_behalf_of"):
        return label
    return actor_words(entry.actor_type, label)


def person_of_entry(entry: AuditEvent) -> str:
    """Return the id by which the entries of the same actor are found; "" if the actor is unknown."""
    if entry.action == Event.USER_LOGIN_FAILED:
        return ""
    if entry.actor_type == ActorType.SYSTEM:
        return str(entry.body.get("on_behalf_of") or entry.actor_id)
    return entry.actor_id


def labelled_changes(
    entry: AuditEvent, names: Names = NO_NAMES
) -> tuple[LabelledChange, ...]:
    """Return the changed fields with their labels, by label."""
    before, after = _side(entry, "before"), _side(entry, "after")
    found = [
        LabelledChange(
            label_of(entry, field, names),
            _text(field, before.get(field), before),
            _text(field, after.get(field), after),
        )
        for field in before.keys() | after.keys()
    ]
    return tuple(sorted(found, key=lambda change: change.field))


def changes_in_words(entry: AuditEvent, names: Names = NO_NAMES) -> Iterator[str]:
    """Yield what an entry changed, a line each: in the words that a price has, else field by field."""
    before, after = _words(entry, "before"), _words(entry, "after")
    if before or after:
        if after:
            yield f"Price: {after}"
        label = "Before" if after else "Withdrawn"
        if before and before != after:
            yield f"{label}: {before}"
        return
    for change in labelled_changes(entry, names):
        was = f" (before: {change.before})" if change.before else ""
        yield f"{change.field}: {change.after or 'not set'}{was}"


def _words(entry: AuditEvent, side: str) -> str:
    """Return the price of a side in words; older entries have only its figures."""
    price = _side(entry, side)
    if words := price.get("in_words"):
        return str(words)
    if "tiers" not in price:
        return ""
    words = f"{_text('tiers', price['tiers'], price)}."
    if price.get("fee_micros"):
        fee = _text("fee_micros", price["fee_micros"], price)
        words += f" A fee of {fee} per month is charged too."
    if price.get("included_units"):
        included = f"{price['included_units']:,} {price.get('unit', '')}".rstrip()
        words += f" The first {included} of a month are included."
    return words


def label_of(entry: AuditEvent, field: str, names: Names = NO_NAMES) -> str:
    """Return the label of a changed field; the name of a service for its id."""
    if field in names.services:
        return names.services[field]
    if label := field_label(entry.target_type, field) or FIELD_LABELS.get(field, ""):
        return label
    words = field.replace("_", " ")
    return field if is_id(field) else words[:1].upper() + words[1:]


def _forms_of_parts(entry: AuditEvent) -> Iterator[str]:
    """Yield the forms of an event on a part, made from its phrase: "added a backend"."""
    verb, _, thing = entry.description.partition(" ")
    _, _, noun = thing.partition(" ")
    if not noun:
        return
    place = "to" if verb == "added" else "from" if verb == "removed" else "in"
    whole = f"{{actor}} {verb} the {noun} {{part}} {place} version {{n}} of {{service}}"
    if verb == "changed":
        yield f"{whole}: {{fields}}"
    yield whole


def _filled(form: str, values: Mapping[str, str]) -> Sentence:
    subject = ""
    for first in ("{actor} ", "{self} "):
        if form.startswith(first):
            subject, form = values["actor"], form.removeprefix(first)
    return Sentence(
        subject,
        _PLACE.sub(lambda place: values.get(place[1], ""), form),
        has_reason="{reason}" in form,
    )


def _values(entry: AuditEvent, names: Names) -> dict[str, str]:
    """Return everything that a form can name."""
    before, after = _side(entry, "before"), _side(entry, "after")
    part, number, service = _place(entry, names)
    target = entry.target_label or entry.target_id
    values = {
        f"{side}.{field}": _text(field, value, whole)
        for side, whole in (("before", before), ("after", after))
        for field, value in whole.items()
    }
    return values | {
        "actor": actor_of_entry(entry),
        "self": actor_of_entry(entry) if _is_by_target(entry) else "",
        "staff": STAFF_MARK,
        "target": target,
        "platform_target": target if entry.account_id == PLATFORM else "",
        "platform_number": values.get("after.number", "")
        if entry.account_id == PLATFORM
        else "",
        "part": part,
        "n": number,
        "service": service,
        "product": _product(entry, names),
        "reason": _without_stop(str(entry.body.get("reason") or "")),
        "after.reason": _without_stop(str(after.get("reason") or "")),
        "fields": _fields(entry, before, after, names),
        "services": _services(after, names),
        "package": values.get("after.plan", "")
        if after.get("source") == "package"
        else "",
        "added_price": values.get("after.price_number", "")
        if after.get("billed") is True and after.get("price_number")
        else "",
        "disabled": "disabled" if after.get("state") == "disabled" else "",
        # The mode in which a product is disabled, see Enablement.DrainMode.
        "kept_connections": "open connections are billed until they close"
        if after.get("open_connections") == "keep"
        else "",
        "received": "" if before else target,
        "newer": _newer(before, after),
        "budget_does": _budget_does(before, after),
        "conflicts": _counted(after.get("conflicts"), "record"),
        "connections": _counted(after.get("connections"), "connection"),
        "minutes": _counted(after.get("minutes"), "minute"),
        **_reasons(after),
    }


def _counted(count: object, noun: str) -> str:
    """Return a number of things in words; "" if it is unknown."""
    return counted(count, noun) if isinstance(count, int) else ""


def _is_by_target(entry: AuditEvent) -> bool:
    by_person = entry.actor_type != ActorType.STAFF
    return by_person and entry.target_id in {
        entry.actor_id,
        entry.body.get("on_behalf_of"),
    }


def _product(entry: AuditEvent, names: Names) -> str:
    if entry.target_type == "product" and entry.target_id == entry.product:
        return names.products.get(entry.product) or entry.target_label or entry.product
    return names.products.get(entry.product) or entry.product or entry.target_label


def _place(entry: AuditEvent, names: Names) -> tuple[str, str, str]:
    """Return an entry's part, version number and service; "" for what it does not have."""
    service_id, _, rest = entry.target_id.partition("/")
    number, _, part = rest.partition("/")
    label = entry.target_label
    old_part, _, old_number = label.rpartition(" in version ")
    if old_part and old_number.isdigit():
        part, number = old_part, old_number
    elif part:
        part = label or part
    elif entry.target_type == "version":
        number = number or service_id
    own = label if entry.target_type == "service" else ""
    if entry.target_type == "version":
        own = label.removesuffix(f" version {number}")
    service = names.services.get(entry.service_id) or own or entry.service_id
    return part, number, service


def _fields(
    entry: AuditEvent,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    names: Names,
) -> str:
    labels = sorted(
        label_of(entry, each, names) for each in before.keys() | after.keys()
    )
    if len(labels) > MAX_NAMES:
        return f"{len(labels)} fields"
    return _in_sentence(labels)


def _in_sentence(labels: list[str]) -> str:
    """Return labels within a sentence: their first letter is small, but not that of "TLS"."""
    return join(
        each if each[:2].isupper() else each[:1].lower() + each[1:] for each in labels
    )


def join(words: "Iterator[str] | list[str]") -> str:
    """Return words as a sentence lists them: Ada, Grace and Lin."""
    *first, last = list(words) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _services(after: Mapping[str, Any], names: Names) -> str:
    ids = [key for key in after if is_id(key)]
    if len(ids) > MAX_NAMES:
        return f"{len(ids)} services"
    return join(sorted(names.services.get(key, key) for key in ids))


def _newer(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    old, new = before.get("active_version"), after.get("active_version")
    is_back = isinstance(old, int) and isinstance(new, int) and old > new > 0
    return str(old) if is_back else ""


def _budget_does(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what a budget does from now on; of a new one only that it refuses connections."""
    refuses = after.get("action") == "block_new"
    words = ["refuses new connections at 100 %"] if refuses else []
    alerts = join(f"{each} %" for each in after.get("thresholds", ()))
    if "action" in before and not refuses:
        return f"only notifies, at {alerts}" if alerts else "only notifies"
    if "thresholds" in before:
        words.append(f"notifies at {alerts}")
    return join(words)


def _reasons(after: Mapping[str, Any]) -> dict[str, str]:
    reasons = after.get("reasons")
    found = [str(each) for each in reasons] if isinstance(reasons, list) else []
    if not found:
        return {}
    first = _without_stop(found[0])
    more = len(found) - 1
    words = f"and {more} more reason{'s' if more > 1 else ''}" if more else ""
    return {"first_reason": first, "more_reasons": words}


def _without_stop(reason: str) -> str:
    """Return a reason as the end of a sentence, which has no full stop; "..." stays."""
    stops = len(reason) - len(reason.rstrip("."))
    return reason[:-1] if stops == 1 else reason


def with_stop(sentence: str) -> str:
    """Return a sentence with its full stop, unless it ends with a mark of its own."""
    return sentence if sentence.endswith((".", "?", "!", "…")) else f"{sentence}."


def _side(entry: AuditEvent, name: str) -> Mapping[str, Any]:
    side = entry.body.get(name)
    return side if isinstance(side, dict) else {}


def _text(field: str, value: object, whole: Mapping[str, Any]) -> str:
    """Return a value as people read it; `whole` has the currency of amounts beside it."""
    if field == "fee_micros" and isinstance(value, int):
        return f"{value * MICRO:,.2f} {whole.get('currency', '')}".rstrip()
    if field == "tiers" and isinstance(value, list):
        return ", ".join(_tier(each, whole) for each in value)
    if field in SESSION_LIMITS:
        return limit_in_words(value) if isinstance(value, int) else "the portal's limit"
    if (field in LEVELS or is_id(field)) and isinstance(value, str):
        return value.replace("_", " ")
    return value_text(_month_or_count(field, value))


def _month_or_count(field: str, value: object) -> object:
    """Return the words for a month or a count; any other value as it is."""
    if field in MONTHS and isinstance(value, str):
        return f"{date.fromisoformat(f'{value}-01'):%B %Y}"
    if field in COUNTS and isinstance(value, int):
        return f"{value:,}"
    return value


def _tier(tier: Mapping[str, Any], price: Mapping[str, Any]) -> str:
    """Return the price of a tier and its limit; the only tier has none."""
    amount = (tier["unit_price_nanos"] * NANO).normalize()
    places = max(2, -int(amount.as_tuple().exponent))
    unit = price.get("unit", "")
    per = f" per {unit}" if unit else ""
    text = f"{amount:,.{places}f} {price.get('currency', '')}{per}".rstrip()
    if tier["up_to"] is not None:
        return f"{text} up to {tier['up_to']:,} {unit}".rstrip()
    return text if len(price["tiers"]) == 1 else f"{text} beyond"


def value_text(value: object) -> str:
    """Return a plain value of an entry as people read it."""
    match value:
        case None | bool():
            return {None: "", True: "yes", False: "no"}[value]
        case {"amount": amount, "currency": currency}:
            return f"{Decimal(amount):,f} {currency}".strip()
        case dict():
            return ", ".join(f"{key}: {value_text(value[key])}" for key in value)
        case list():
            return ", ".join(map(value_text, value))
    text = str(value)
    is_time = _TIMESTAMP.fullmatch(text)
    return minute_text(datetime.fromisoformat(text)) if is_time else text
