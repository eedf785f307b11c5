"""A small world with one of everything, for tests of every route and every command."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client

from accounts.actor import Actor, Interface
from accounts.audit.models import AuditEvent, ChainHead, SearchTerm
from accounts.commands.invitations import invite
from accounts.models import Account, ApiToken, Invitation, Membership, User
from accounts.policy import PLATFORM
from accounts.roles import Role
from accounts.web.session_limits import SEEN_AT, SIGNED_IN_AT
from portal.starter_catalogue import PLANS, PRODUCTS, product_fields
from products.billing.models import Invoice
from products.catalogue.commands import add_plan, add_product
from products.catalogue.models import Plan, PriceVersion, Product, Tier
from products.catalogue.queries import direct_price, prices_beside, trial_plans
from products.domains.models import DomainClaim
from products.enablement.agreements import direct_terms, trial_terms
from products.enablement.commands import Agreement, change_price, enable
from products.enablement.models import ProductRequest
from products.metering.commands import issue_credential
from products.services.commands.versions import clone_version
from products.services.models import Part, Service, Version
from products.webhooks.models import Webhook
from tests.factories import NOW
from tests.factories.accounts import (
    AccountFactory,
    UserFactory,
    actor_for,
    give_access,
    member,
    staff_actor,
)
from tests.factories.domains import claimed
from tests.factories.invoices import invoice
from tests.factories.keys import automation_key, key_of
from tests.factories.rolled_back import rolled_back
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    HeaderFactory,
    ItemFactory,
    LogEndpointFactory,
    PartFactory,
    ServiceFactory,
    SnippetFactory,
    VclFactory,
    VersionFactory,
)
from tests.factories.webhooks import WebhookFactory

# Where allauth keeps the last re-authentication in a session.
REAUTHENTICATED_USER = "account_authentication_methods_user"
REAUTHENTICATIONS = "account_authentication_methods"
CATALOGUE_TABLES = (
    Product,
    Plan,
    PriceVersion,
    Tier,
    AuditEvent,
    SearchTerm,
    ChainHead,
)
CATALOGUE = Actor.system("load-catalogue", interface=Interface.COMMAND)


ITEMS: Mapping[str, dict[str, object]] = {
    "acl": {"ip": "192.0.2.1"},
    "dictionary": {"item_key": "tenant", "item_value": "a"},
    "pool": {"address": "origin.example.com"},
}


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Acme with its people and the service `shop`, Globex with Stan, and Ada of the staff."""

    acme: Account
    globex: Account
    people: Mapping[str, Actor]
    keys: Mapping[str, str]  # API tokens of the members
    sessions: Mapping[str, str]  # session keys, just re-authenticated
    shop: Service
    live: Version
    draft: Version
    limiter: Part  # of the draft
    websockets: Product
    ngwaf: Product
    membership: Membership  # Una's, who is user of Acme
    token: ApiToken  # Una's
    automation: ApiToken  # of Acme, an engineer
    automation_key: str
    invitation: Invitation
    claim: DomainClaim
    edge_secret: str
    webhook: Webhook
    invoice: Invoice  # final, without lines

    def person(self, name: str) -> User:
        """Return a person's row."""
        return User.objects.get(pk=self.people[name].user_id)


# The statements that write the catalogue, by the start of its prices: most tests of products need
# it, and to execute them again takes a fraction of the time of the commands.
_statements: dict[datetime, list[tuple[str, object]]] = {}


def load_catalogue(since: datetime = NOW) -> None:
    """Load the starter catalogue, with prices from an instant on."""
    if AuditEvent.objects.filter(account_id=PLATFORM.account_id).exists():
        _load_by_commands(since)  # the platform's chain goes on
        return
    if since not in _statements:
        _statements[since] = _statements_to_load(since)
        return
    with transaction.atomic(), connection.cursor() as cursor:
        for statement, values in _statements[since]:
            cursor.execute(statement, values)


def _statements_to_load(since: datetime) -> list[tuple[str, object]]:
    """Load the catalogue by its commands; return statements that write the same rows."""
    with rolled_back():
        _load_by_commands(since)
        loaded = [_rows_of(model) for model in CATALOGUE_TABLES]
    executed: list[tuple[str, object]] = []

    def keep(
        execute: Callable[..., object], sql: str, values: object, *rest: object
    ) -> object:
        executed.append((sql, values))
        return execute(sql, values, *rest)

    # The transaction begins before and ends after: its own statements are not kept.
    with transaction.atomic(), connection.execute_wrapper(keep):
        ChainHead.objects.filter(account_id=PLATFORM.account_id).delete()
        for model, rows in zip(CATALOGUE_TABLES, loaded, strict=True):
            model._default_manager.bulk_create(
                rows, ignore_conflicts=model is SearchTerm
            )
    return executed


def _rows_of(model: type[Model]) -> list[Model]:
    # In the order of insertion: the trail takes only the next entry of a chain.
    rows = model._default_manager.order_by("pk")
    if model in (AuditEvent, ChainHead):
        rows = rows.filter(account_id=PLATFORM.account_id)
    found = list(rows)
    if model in (AuditEvent, SearchTerm):
        for row in found:
            row.pk = None  # its number may be in use by a row of another account
    return found


def _load_by_commands(since: datetime) -> None:
    for position, slug in enumerate(PRODUCTS):
        add_product(
            CATALOGUE, slug=slug, fields=product_fields(slug, position), now=since
        )
    for slug, kind, name, price in PLANS:
        product = Product.objects.get(pk=slug)
        plan = add_plan(CATALOGUE, product=product, kind=kind, name=name, now=since)
        if price is not None:
            change_price(
                CATALOGUE, plan=plan, price=price, effective_from=since, now=since
            )


def text_to_agree_to(account: Account, product: Product) -> str:
    """Return the text of the agreement to the product's price at NOW."""
    return direct_terms(
        account, product, prices_beside(direct_price(product.pk, NOW), NOW), now=NOW
    ).text


def agreed(account: Account, product: Product) -> Agreement:
    """Return the agreement to the product's price at NOW."""
    return Agreement.to(text_to_agree_to(account, product))


def agreed_to_trial(account: Account, product: Product) -> Agreement:
    """Return the agreement to the trial that the product has."""
    plan = trial_plans(product.pk)[product.pk]
    return Agreement.to(trial_terms(account, plan, now=NOW).text)


def people_of(acme: Account, globex: Account, shop: Service) -> dict[str, Actor]:
    """Create one person of each kind.

    `inside` is an engineer with access only to `shop`, `outside` only to another service.
    """
    echo = ServiceFactory.create(account=acme, name="echo")
    inside = member(acme, "Lin", Role.ENGINEER, limit_services=True)
    outside = member(acme, "Max", Role.ENGINEER, limit_services=True)
    give_access(inside, shop)
    give_access(outside, echo)
    return {
        "user": actor_for(member(acme, "Una", Role.USER), acme),
        "billing": actor_for(member(acme, "Bo", Role.BILLING), acme),
        "engineer": actor_for(member(acme, "Eve", Role.ENGINEER), acme),
        "outside": actor_for(outside, acme),
        "inside": actor_for(inside, acme),
        "superuser": actor_for(member(acme, "Sam", Role.SUPERUSER), acme),
        "non_member": actor_for(member(globex, "Stan", Role.SUPERUSER), globex),
        "staff": staff_actor(
            UserFactory.create(name="Ada", is_staff=True, is_superuser=True)
        ),
    }


def session_of(actor: Actor) -> str:
    """Sign a person in and return the session's cookie; they have just been re-authenticated."""
    client = Client()
    client.force_login(User.objects.get(pk=actor.user_id))
    session = client.session
    now = time.time()
    # As of a page just opened, so that the next one does not write it.
    session[SIGNED_IN_AT] = session[SEEN_AT] = now
    session[REAUTHENTICATED_USER] = actor.user_id
    session[REAUTHENTICATIONS] = [
        {"method": "password", "at": now, "reauthenticated": True}
    ]
    session.save()
    return str(session.secret)


def versions_of(shop: Service, author: Actor) -> tuple[Version, Version]:
    """Create the active version of a service, and a draft with the same parts."""
    live = VersionFactory.create(service=shop, number=1, live=True)
    DomainFactory.create(version=live, name="shop.example.com")
    BackendFactory.create(version=live, name="origin", port=80, use_ssl=False)
    HeaderFactory.create(version=live, name="tenant")
    SnippetFactory.create(version=live, name="upgrade", content="# nothing")
    VclFactory.create(version=live, name="main")
    LogEndpointFactory.create(version=live, name="logs")
    LogEndpointFactory.create(
        version=live,
        kind="logging/syslog",
        name="sys",
        url=None,
        address="logs.example.com",
    )
    PartFactory.create(version=live, kind="rate-limiters", name="limit")
    draft = clone_version(author, version=live, now=NOW)
    add_items(draft)
    return live, draft


def add_items(draft: Version) -> None:
    """Add parts with something beneath them to a draft, all with the id of its rate limiter."""
    part_id = draft.parts.get(kind="rate-limiters").public_id
    snippet = {"type": "recv", "content": "# a", "dynamic": True}
    for kind, fields in {
        "acl": {},
        "dictionary": {},
        "pool": {},
        "snippet": snippet,
        "vcl": {"content": "# a"},
        "director": {"backends": ["origin"]},
    }.items():
        PartFactory.create(
            version=draft, kind=kind, name="tenant", public_id=part_id, **fields
        )
    for kind, values in ITEMS.items():
        for name in ("tenant", "other"):
            ItemFactory.create(
                service=draft.service,
                part_kind=kind,
                part_id=part_id,
                name=name,
                values=values,
            )


def build_world(*, enabled: bool = True) -> World:
    """Build the world; `enabled` says whether WebSockets is enabled for Acme."""
    load_catalogue()
    acme = AccountFactory.create(name="Acme")
    globex = AccountFactory.create(name="Globex")
    shop = ServiceFactory.create(account=acme, name="shop")
    people = people_of(acme, globex, shop)
    for actor in people.values():
        EmailAddress.objects.create(
            user_id=actor.user_id, email=actor.email, verified=True, primary=True
        )
    keys = {name: key_of(actor) for name, actor in people.items() if actor.account_id}
    # As of a call just made, so that the next one does not write it.
    ApiToken.objects.update(last_used_at=NOW)
    sam = people["superuser"]
    live, draft = versions_of(shop, sam)
    websockets = Product.objects.get(pk="websockets")
    if enabled:
        agreement = agreed(acme, websockets)
        enable(sam, account=acme, product=websockets, agreement=agreement, now=NOW)
    user_id = people["user"].user_id
    ProductRequest.objects.create(
        account=acme,
        product_id="fanout",
        user_id=user_id,
        requested_by="Una",
        requested_on=NOW.date(),
        requested_at=NOW,
    )
    return World(
        acme=acme,
        globex=globex,
        people=people,
        keys=keys,
        sessions={name: session_of(actor) for name, actor in people.items()},
        shop=shop,
        live=live,
        draft=draft,
        limiter=draft.parts.get(kind="rate-limiters"),
        websockets=websockets,
        ngwaf=Product.objects.get(pk="ngwaf"),
        membership=Membership.objects.get(account=acme, user_id=user_id),
        token=ApiToken.objects.get(account=acme, user_id=user_id),
        automation_key=automation_key(acme, Role.ENGINEER),
        automation=ApiToken.objects.get(user=None),
        invitation=invite(
            sam, account=acme, email="new@example.com", role="engineer", now=NOW
        ),
        claim=claimed(acme, "acme.org"),
        edge_secret=issue_credential(people["staff"], name="edge-t", now=NOW).secret,
        # Not an address that webhooks can have, so nothing is ever sent.
        webhook=WebhookFactory.create(account=acme, url="https://127.0.0.1/hooks"),
        invoice=invoice(acme, "2026-09", "INV-900001"),
    )
