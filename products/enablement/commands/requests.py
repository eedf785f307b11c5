"""Request a product (R17), at most once per day and member; answer, decline or withdraw a request.

Enabling the product grants the open requests for it (`enablements.open_enablement`). Who is
notified is in `accounts.notices`.
"""

from datetime import datetime

from accounts.actor import Actor, ActorType
from accounts.audit.vocabulary import Event
from accounts.change import Trail, recorded_change
from accounts.commands.reasons import clean_reason
from accounts.errors import Conflict, Invalid, NotFound
from accounts.models import Account
from accounts.notices import Audience
from accounts.roles import Permission
from products.catalogue.models import Product
from products.enablement.models import MAX_NOTE_LENGTH, ProductRequest
from products.enablement.queries import current
from products.enablement.refusals import request_refusal

State = ProductRequest.State


class AlreadyRequestedToday(Conflict):
    """The member already requested this product today."""

    code = "asked_today"


class RequestAnswered(Conflict):
    """The request was granted, declined or withdrawn."""

    code = "request_answered"


def request_product(
    actor: Actor,
    *,
    account: Account,
    product: Product,
    now: datetime,
    note: str = "",
) -> ProductRequest:
    """Record a member's request for a product, for those who can enable it.

    For a product that is sold directly these are the account's superusers, else sales. A new
    request replaces an open one of the same member. Raises Forbidden; AlreadyEnabled for a product
    that the account has, unless from a trial; AlreadyRequestedToday for a second request on a
    (UTC) day; Invalid for too long a note. Notes product.requested.
    """
    if len(note) > MAX_NOTE_LENGTH:
        raise Invalid(
            f"The note can have at most {MAX_NOTE_LENGTH} characters.", field="note"
        )
    with recorded_change(
        actor, Permission.PRODUCT_REQUEST, on=account, now=now
    ) as trail:
        if refusal := request_refusal(product, current(account.pk, product.pk)):
            raise refusal
        own = ProductRequest.objects.filter(
            account=account, product=product, user_id=actor.user_id
        )
        if own.filter(requested_on=trail.now.date()).exists():
            raise AlreadyRequestedToday(f"You already requested {product.name} today.")
        own.filter(state=State.OPEN).update(
            state=State.WITHDRAWN, answered_at=trail.now, answered_by=actor.words
        )
        request = ProductRequest.objects.create(
            account=account,
            product=product,
            user_id=actor.user_id,
            requested_by=actor.words,
            requested_on=trail.now.date(),
            requested_at=trail.now,
            note=note,
        )
        asked = Audience.SUPERUSERS if product.is_sold_directly else Audience.SALES
        trail.note(
            Event.PRODUCT_REQUESTED,
            target=("product", product.pk, product.name),
            product=product.pk,
            after={"asked": str(asked), "note": note, "request": request.pk},
        )
    return request


def decline_request(
    actor: Actor, *, request: ProductRequest, reason: str, now: datetime
) -> ProductRequest:
    """Decline an open request with a reason: a superuser of the account, or staff.

    Raises Forbidden, NotFound, Invalid without a reason, RequestAnswered. Notes
    product_request.declined.
    """
    reason = clean_reason(reason)
    is_staff = actor.type is ActorType.STAFF
    permission = Permission.PACKAGE_ASSIGN if is_staff else Permission.PRODUCT_ENABLE
    with recorded_change(actor, permission, on=request, now=now) as trail:
        row = _open(request)
        _answer(row, State.DECLINED, actor.words, trail.now, answer=reason)
        _note(trail, Event.PRODUCT_REQUEST_DECLINED, row, reason)
    return row


def answer_request(
    actor: Actor, *, request: ProductRequest, answer: str, now: datetime
) -> ProductRequest:
    """Answer an open request with a note, if it is neither granted nor declined: staff.

    Raises Forbidden, NotFound, Invalid without a note, RequestAnswered. Notes
    product_request.answered, of which the requester gets a notice.
    """
    answer = clean_reason(answer)
    with recorded_change(
        actor, Permission.PACKAGE_ASSIGN, on=request, now=now
    ) as trail:
        row = _open(request)
        _answer(row, State.ANSWERED, actor.words, trail.now, answer=answer)
        _note(trail, Event.PRODUCT_REQUEST_ANSWERED, row, answer)
    return row


def withdraw_request(
    actor: Actor, *, request: ProductRequest, now: datetime
) -> ProductRequest:
    """Withdraw one's own open request.

    Raises Forbidden, NotFound for another member's request, RequestAnswered. Notes
    product_request.withdrawn.
    """
    with recorded_change(
        actor, Permission.PRODUCT_REQUEST, on=request, now=now
    ) as trail:
        row = _open(request)
        if row.user_id != actor.user_id:
            raise NotFound("Request not found.")
        _answer(row, State.WITHDRAWN, actor.words, trail.now)
        _note(trail, Event.PRODUCT_REQUEST_WITHDRAWN, row)
    return row


def grant_requests(
    trail: Trail, *, account_id: str, product: Product, by: str, now: datetime
) -> None:
    """Grant the open requests for a product that is enabled now; a step of commands.

    Notes product_request.granted for each.
    """
    rows = ProductRequest.objects.select_for_update().select_related("product")
    for row in rows.filter(
        account_id=account_id, product=product, state=State.OPEN
    ).order_by("pk"):
        _answer(row, State.GRANTED, by, now)
        _note(trail, Event.PRODUCT_REQUEST_GRANTED, row)


def _open(request: ProductRequest) -> ProductRequest:
    rows = ProductRequest.objects.select_for_update(of=("self",))
    row = rows.select_related("product").filter(pk=request.pk).first()
    if row is None:
        raise NotFound("Request not found.")
    if row.state != State.OPEN:
        raise RequestAnswered(f"This request was already {row.state}.")
    return row


def _answer(
    row: ProductRequest, state: State, by: str, now: datetime, *, answer: str = ""
) -> None:
    row.state, row.answered_at = state, now
    row.answered_by, row.answer = by, answer
    row.save(update_fields=["state", "answered_at", "answered_by", "answer"])


def _note(trail: Trail, event: Event, row: ProductRequest, reason: str = "") -> None:
    product = row.product
    trail.note(
        event,
        target=("product", product.pk, product.name),
        product=product.pk,
        before={"state": State.OPEN.value},
        after={
            "state": str(row.state),
            "requester": row.user_id,
            "requested_by": row.requested_by,
            "request": row.pk,
        },
        reason=reason,
    )
