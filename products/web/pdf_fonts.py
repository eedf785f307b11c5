"""The fonts of a PDF: each run of letters in one that has them, so that no box is drawn.

Latin letters are drawn in the Vera fonts of reportlab, further Latin, Greek and Cyrillic ones in
Noto Sans (package fontpkg-noto-sans). Both are embedded. Chinese, Japanese and Korean letters are
in standard fonts that the reader of the PDF supplies (ISO 32000-2, 9.7.5.2). Other scripts, such as
Arabic, need shaping and fonts that reportlab doesn't have: `?` takes the place of their letters.
"""

import unicodedata
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import fontpkg_noto_sans
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont, TTFontFile

PLAIN: Final = "Vera"
BOLD: Final = "VeraBd"
_FURTHER: Final = "NotoSans"
_CHINESE: Final = "STSong-Light"
_JAPANESE: Final = "HeiseiKakuGo-W5"
_KOREAN: Final = "HYGothic-Medium"
_SUBSTITUTE: Final = "?"
_FILES: Final = {
    PLAIN: "Vera.ttf",
    BOLD: "VeraBd.ttf",
    _FURTHER: str(Path(fontpkg_noto_sans.ROOT, "files", "NotoSans[wdth,wght].ttf")),
}
# The first words of the Unicode names of letters, and the font that has them.
_BY_NAME: Final = {
    "CJK": _CHINESE,
    "IDEOGRAPHIC": _CHINESE,
    "FULLWIDTH": _CHINESE,
    "HIRAGANA": _JAPANESE,
    "KATAKANA": _JAPANESE,
    "HALFWIDTH": _JAPANESE,
    "HANGUL": _KOREAN,
}


@cache
def register_fonts() -> None:
    """Register the fonts with reportlab; every machine has the same ones, and writes the same file."""
    for name, file in _FILES.items():
        pdfmetrics.registerFont(TTFont(name, file))
    for name in (_CHINESE, _JAPANESE, _KOREAN):
        pdfmetrics.registerFont(UnicodeCIDFont(name))


def in_fonts(text: str) -> str:
    """Return a text as the markup of a paragraph, each run of letters in a font that has them.

    Call `register_fonts` first.
    """
    runs = groupby(unicodedata.normalize("NFC", text), key=_font_of)
    return "".join(_run(font, "".join(letters)) for font, letters in runs)


def has_substitutes(text: str) -> bool:
    """Tell whether a letter of a text is in none of the fonts."""
    return any(_font_of(each) is None for each in unicodedata.normalize("NFC", text))


def _run(font: str | None, letters: str) -> str:
    if font is None:
        return _SUBSTITUTE * len(letters)
    marked = escape(letters).replace("\n", "<br/>")
    return marked if font == PLAIN else f'<font name="{font}">{marked}</font>'


@cache
def _letters(font: str) -> frozenset[int]:
    """Return the code points that an embedded font has glyphs for."""
    return frozenset(TTFontFile(_FILES[font]).charToGlyph)


@cache
def _font_of(letter: str) -> str | None:
    """Return the font of a letter: PLAIN, or its bold, if Vera has it; None if no font does."""
    code = ord(letter)
    if letter == "\n":
        return PLAIN
    for name in (PLAIN, _FURTHER):
        if code in _letters(name):
            return name
    if code > 0xFFFF:  # noqa: PLR2004 - the other fonts are encoded in UCS-2
        return None
    # As in "CJK UNIFIED IDEOGRAPH-4E2D".
    return _BY_NAME.get(unicodedata.name(letter, "").partition(" ")[0])
