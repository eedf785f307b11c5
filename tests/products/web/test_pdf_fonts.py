"""Names in other scripts: extracted from a PDF as they were, or substituted and said so."""

import io

import pytest
from pypdf import PdfReader
from reportlab.platypus import Paragraph, SimpleDocTemplate

from products.web.invoice_pdf import _PLAIN
from products.web.pdf_fonts import has_substitutes, in_fonts, register_fonts


@pytest.fixture(autouse=True)
def fonts():
    register_fonts()


def pdf(text):
    buffer = io.BytesIO()
    SimpleDocTemplate(buffer, invariant=1).build([Paragraph(in_fonts(text), _PLAIN)])
    return buffer.getvalue()


def extracted(content):
    return PdfReader(io.BytesIO(content)).pages[0].extract_text().strip()


@pytest.mark.parametrize(
    "text",
    [
        "Łódź & Nguyễn <b>",
        "Ελληνική Εταιρεία Α.Ε.",
        "ТОВ «Київський хліб»",
        "Ωμέγα and Омега",
    ],
)
def test_text_in_embedded_fonts_is_extracted_as_it_was(text):
    content = pdf(text)

    assert extracted(content) == text
    assert content == pdf(text)
    assert not has_substitutes(text)


@pytest.mark.parametrize(
    ("text", "font"),
    [
        ("北京公司", "STSong-Light"),
        ("ひらがな", "HeiseiKakuGo-W5"),
        ("한국어", "HYGothic-Medium"),
    ],
)
def test_east_asian_text_names_a_font_of_the_reader(text, font):
    assert in_fonts(f"A{text}") == f'A<font name="{font}">{text}</font>'
    assert f"/BaseFont /{font}".encode() in pdf(text)


@pytest.mark.parametrize("text", ["شركة", "חברה", "บริษัท", "\U00020000", "😀"])
def test_other_letters_are_substituted(text):
    assert has_substitutes(text)
    assert extracted(pdf(f"A {text}")) == f"A {'?' * len(text)}"


def test_letters_and_accents_are_composed_first():
    assert in_fonts("e\u0301") == "é"
