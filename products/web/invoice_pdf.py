"""An invoice as a PDF: the same bytes each time, from what is stored alone."""

from io import BytesIO

from django.utils.text import capfirst
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    Flowable,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from products.billing.bill import BANDWIDTH
from products.billing.describe import (
    CREDITS_NOTE,
    NEVER_CHANGES_NOTE,
    credit_note_text,
    describe,
    due_label,
    invoice_notes,
    period_label,
    period_text,
)
from products.billing.models import Invoice, InvoiceLine
from products.billing.queries.invoices import InvoiceDocument
from products.catalogue.money import Money
from products.months import month_name
from products.web.pdf_fonts import (
    BOLD,
    PLAIN,
    has_substitutes,
    in_fonts,
    register_fonts,
)
from products.web.template_tags import amount, utc_day

_SOFT, _LINE = HexColor("#555c64"), HexColor("#dcdfdb")
_PLAIN = ParagraphStyle("plain", fontName=PLAIN, fontSize=8.5, leading=12)
_SMALL = ParagraphStyle(
    "small", parent=_PLAIN, fontSize=7, leading=9.5, textColor=_SOFT
)
_RIGHT = ParagraphStyle("right", parent=_PLAIN, alignment=TA_RIGHT)
_HEAD = ParagraphStyle("head", parent=_PLAIN, fontName=BOLD)
_HEAD_RIGHT = ParagraphStyle("head_right", parent=_HEAD, alignment=TA_RIGHT)
_TITLE = ParagraphStyle("title", parent=_PLAIN, fontSize=18, leading=24)
_RULES = TableStyle(
    [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
    ]
)
_SUBSTITUTED = (
    "Letters of some scripts can't be drawn in this PDF; ? takes their place. The page of the "
    "invoice and its JSON file have them."
)
_COLUMNS = (74 * mm, 36 * mm, 38 * mm, 30 * mm)
_MINUS = "−"
# What a page keeps free beside its text.
_FRAME_PADDING = 6


def invoice_pdf(document: InvoiceDocument) -> bytes:
    """Return an invoice as a PDF. Two calls with the same rows return the same bytes."""
    register_fonts()
    buffer = BytesIO()
    invoice = document.invoice
    SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=16 * mm - _FRAME_PADDING,
        rightMargin=16 * mm - _FRAME_PADDING,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
        title=_title(invoice),
        author=invoice.seller.splitlines()[0] if invoice.seller else "",
        invariant=1,  # no time of creation, and an identifier that follows from the content
    ).build(_story(document))
    return buffer.getvalue()


def _title(invoice: Invoice) -> str:
    return f"Invoice {invoice.number}" if invoice.number else "Bill, not an invoice"


def _what(invoice: Invoice) -> str:
    month = month_name(invoice.month)
    return f"Late usage, billed with {month}" if invoice.is_late_usage else month


def _story(document: InvoiceDocument) -> list[Flowable]:
    invoice = document.invoice
    parts: list[Flowable] = [
        _text(_title(invoice), _TITLE),
        _text(f"{_what(invoice)} · {invoice.get_status_display()}"),
        *(_text(each) for each in _notes(invoice)),
        Spacer(1, 6 * mm),
        _parties(invoice),
        Spacer(1, 8 * mm),
        _lines(document),
        Spacer(1, 4 * mm),
        _text(invoice.tax_note, _SMALL),
        *([] if invoice.number else [_text(CREDITS_NOTE, _SMALL)]),
    ]
    if has_substitutes(f"{invoice.seller}{invoice.buyer}{invoice.tax_note}"):
        parts.append(_text(_SUBSTITUTED, _SMALL))
    for line in document.lines:
        parts += _tiers(line)
    if document.credit_notes:
        parts += [Spacer(1, 6 * mm), _text("Credit notes", _HEAD)]
    parts += [
        _text(
            f"{each.number}, {utc_day(each.issued_at)}: {_MINUS}"
            f"{Money(each.amount_micros, invoice.currency)}, {credit_note_text(each)}"
        )
        for each in document.credit_notes
    ]
    if invoice.content_hash:
        parts += [
            Spacer(1, 6 * mm),
            _text(
                f"{NEVER_CHANGES_NOTE} Content hash: SHA-256 {invoice.content_hash}",
                _SMALL,
            ),
        ]
    return parts


def _notes(invoice: Invoice) -> list[str]:
    since = invoice.voided_at
    void = f"Void since {utc_day(since)}: {invoice.void_reason}" if since else ""
    return [*([void] if void else []), *invoice_notes(invoice)]


def _text(text: str, style: ParagraphStyle = _PLAIN) -> Paragraph:
    return Paragraph(in_fonts(text), style)


def _parties(invoice: Invoice) -> Table:
    dates = [
        f"Issued {utc_day(invoice.finalized_at)}" if invoice.finalized_at else "",
        f"Due {utc_day(invoice.due_on)}" if invoice.due_on else "",
        f"Terms: {invoice.payment_terms_days} days",
    ]
    if invoice.voided_at:
        dates[1:] = [f"Void since {utc_day(invoice.voided_at)}"]
    period = (
        f"{month_name(invoice.month)} ({invoice.zone})\n"
        f"{period_text(invoice.starts_at, invoice.ends_at)}"
    )
    heads = ("From", "To", period_label(invoice), "Dates")
    cells = (
        invoice.seller,
        invoice.buyer,
        period,
        "\n".join(each for each in dates if each),
    )
    return Table(
        [[_text(each, _HEAD) for each in heads], [_text(each) for each in cells]],
        colWidths=(42 * mm, 42 * mm, 54 * mm, 40 * mm),
        style=TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ]
        ),
    )


def _lines(document: InvoiceDocument) -> Table:
    invoice = document.invoice
    rows: list[tuple[Flowable, ...]] = [
        (
            _text("What", _HEAD),
            _text("Quantity", _HEAD_RIGHT),
            _text("Rate", _HEAD_RIGHT),
            _text("Amount", _HEAD_RIGHT),
        )
    ]
    for line in document.lines:
        text = describe(line)
        rows.append(
            (
                Paragraph(
                    f"{in_fonts(text.title)}<br/><font size=7 color='#555c64'>"
                    f"{in_fonts(text.detail)}</font>",
                    _PLAIN,
                ),
                _text(f"{text.units:,f} {text.unit}", _RIGHT),
                _text(text.rate, _RIGHT),
                _text(text.amount, _RIGHT),
            )
        )
    minus = _MINUS if invoice.credits_micros else ""
    for label, sum_, style in (
        ("Subtotal", str(invoice.subtotal), _RIGHT),
        ("Credits used", f"{minus}{invoice.credits}", _RIGHT),
        (due_label(invoice), str(invoice.due), _HEAD_RIGHT),
    ):
        rows.append((_text(label), _text(""), _text(""), _text(sum_, style)))
    return Table(rows, colWidths=_COLUMNS, style=_RULES, repeatRows=1)


def _tiers(line: InvoiceLine) -> list[Flowable]:
    """Return how the amount of a line follows from its tiers."""
    text = describe(line)
    if not text.tiers or line.price_version is None:
        return []
    price = line.price_version
    units = "Bytes" if line.meter == BANDWIDTH else "Minutes"
    currency = line.invoice.currency
    rows: list[tuple[Flowable, ...]] = [
        (
            _text("Tier", _HEAD),
            _text(units, _HEAD_RIGHT),
            _text(f"{currency} per {text.unit}", _HEAD_RIGHT),
            _text("Exact", _HEAD_RIGHT),
        ),
        *(
            (
                _text(capfirst(each.reach)),
                _text(f"{each.quantity:,}", _RIGHT),
                _text(amount(each.unit_price), _RIGHT),
                _text(amount(each.exact), _RIGHT),
            )
            for each in text.tiers
        ),
    ]
    return [
        Spacer(1, 6 * mm),
        _text(f"How “{text.title}” was made", _HEAD),
        _text(f"{price.plan.name}, price version {price.number}", _SMALL),
        Table(rows, colWidths=_COLUMNS, style=_RULES, repeatRows=1),
        _text(f"Usage digest: {line.usage_digest or 'not final yet'}", _SMALL),
    ]
