"""Request a product (R17): one entry and one mail, at most once per day and member."""

from collections.abc import Sequence
from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.errors import Conflict, Invalid
from accounts.models import Account, OutgoingMail
from accounts.policy import members_with
from accounts.roles import Permission
from products.catalogue.models import Product
from products.enablement.models import MAX_NOTE_LENGTH, ProductRequest


class AlreadyRequestedToday(Conflict):
    """The member already requested this product today."""

    code = "asked_today"


def request_product(
    actor: Actor,
    *,
    account: Account,
    product: Product,
    sales_email: str,
    now: datetime,
    note: str = "",
) -> ProductRequest:
    """Record a member's request for a product, and mail those who can enable it.

    For a product that is sold directly these are the account's superusers, else `sales_email`.
    Raises Forbidden; AlreadyRequestedToday for a second request on a (UTC) day; Invalid for too
    long a note. Notes product.requested. The mail goes out after commit.
    """
    if len(note) > MAX_NOTE_LENGTH:
        raise Invalid(
            f"The note can have at most {MAX_NOTE_LENGTH} characters.", field="note"
        )
    with recorded_change(
        actor, Permission.PRODUCT_REQUEST, on=account, now=now
    ) as trail:
        today = ProductRequest.objects.filter(
            account=account,
            product=product,
            user_id=actor.user_id,
            requested_on=now.date(),
        )
        if today.exists():
            raise AlreadyRequestedToday(f"You already requested {product.name} today.")
        request = ProductRequest.objects.create(
            account=account,
            product=product,
            user_id=actor.user_id,
            requested_by=actor.label,
            requested_on=now.date(),
            requested_at=now,
            note=note,
        )
        addresses = _addresses(account, product, sales_email)
        OutgoingMail.objects.bulk_create(
            OutgoingMail(
                account=account,
                to=address,
                subject=f"{actor.label} requests {product.name}",
                body=_body(actor, account, product, note),
                created_at=now,
                due_at=now,
            )
            for address in addresses
        )
        trail.note(
            Event.PRODUCT_REQUESTED,
            target=("product", product.pk, product.name),
            product=product.pk,
            after={"mails": len(addresses), "note": note},
        )
    return request


def _addresses(account: Account, product: Product, sales_email: str) -> Sequence[str]:
    if not product.is_sold_directly:
        return [sales_email]
    members = members_with(Permission.PRODUCT_ENABLE, account.pk)
    return [member.user.email for member in members]


def _body(actor: Actor, account: Account, product: Product, note: str) -> str:
    lines = [
        f"{actor.label} ({actor.email}) requests {product.name} for {account.name} ({account.pk}).",
        "",
        product.purpose,
    ]
    if note:
        lines += ["", f"Their note: {note}"]
    if product.is_sold_directly:
        lines += ["", "A superuser can enable it on the Products page of the portal."]
    return "\n".join(lines) + "\n"
