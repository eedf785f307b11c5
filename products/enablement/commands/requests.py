"""Ask for a product (R17): one mail and one entry, at most once a day for each person."""

from collections.abc import Sequence
from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.errors import Conflict
from accounts.models import Account, OutgoingMail
from accounts.policy import members_with
from accounts.roles import Permission
from products.catalogue.models import Product
from products.enablement.models import ProductRequest


class AlreadyRequestedToday(Conflict):
    """The person has asked for this product today."""

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
    """Record that somebody asks for a product, and write to those who can give it.

    Directly sold products: the account's superusers; others: `sales_email`. Raises AlreadyRequestedToday
    for a second time on a (UTC) day. Notes product.requested; the mail goes out after commit.
    """
    with recorded_change(
        actor, Permission.PRODUCT_REQUEST, on=account, now=now
    ) as trail:
        asked = ProductRequest.objects.filter(
            account=account,
            product=product,
            user_id=actor.user_id,
            requested_on=now.date(),
        )
        if asked.exists():
            raise AlreadyRequestedToday(f"You asked for {product.name} today already.")
        request = ProductRequest.objects.create(
            account=account,
            product=product,
            user_id=actor.user_id,
            requested_by=actor.label,
            requested_on=now.date(),
            requested_at=now,
            note=note[:500],
        )
        told = _addresses(account, product, sales_email)
        OutgoingMail.objects.bulk_create(
            OutgoingMail(
                account=account,
                to=address,
                subject=f"{actor.label} asks for {product.name}",
                body=_body(actor, account, product, note),
                created_at=now,
                due_at=now,
            )
            for address in told
        )
        trail.note(
            Event.PRODUCT_REQUESTED,
            target=("product", product.pk, product.name),
            product=product.pk,
            after={"mails": len(told), "note": note[:500]},
        )
    return request


def _addresses(account: Account, product: Product, sales_email: str) -> Sequence[str]:
    if product.purchase_mode != Product.PurchaseMode.DIRECT:
        return [sales_email]
    members = members_with(Permission.PRODUCT_ENABLE, account.pk)
    return [member.user.email for member in members]


def _body(actor: Actor, account: Account, product: Product, note: str) -> str:
    lines = [
        f"{actor.label} ({actor.email}) asks for {product.name} for {account.name} ({account.pk}).",
        "",
        product.purpose,
    ]
    if note:
        lines += ["", f"They say: {note}"]
    if product.purchase_mode == Product.PurchaseMode.DIRECT:
        lines += ["", "A superuser can enable it on the Products page of the portal."]
    return "\n".join(lines) + "\n"
