"""Rules for every template and the style sheet, checked in the files."""

import re
from pathlib import Path

import pytest
from django.template.loader import render_to_string

from tests.template_variables import MissingVariable

ROOT = Path(__file__).resolve().parents[3]
EMAIL = (
    ROOT / "templates" / "accounts" / "email.html"
)  # email programs load no style sheet
TEMPLATES = sorted({*(ROOT / "templates").rglob("*.html")} - {EMAIL})
STYLES = (ROOT / "static" / "css" / "portal.css").read_text()
SCRIPT = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", re.IGNORECASE
)
STYLE = re.compile(r"<style\b|\sstyle\s*=", re.IGNORECASE)
HANDLER = re.compile(r"\son[a-z]+\s*=\s*[\"']|javascript:|\shx-on", re.IGNORECASE)
ELSEWHERE = re.compile(
    r"(?:src|<link[^>]*href|action)=[\"']?(?:https?:)?//", re.IGNORECASE
)
THEMES = ("light", "dark")


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", TEMPLATES, ids=names)
def test_a_template_has_nothing_inline_and_loads_nothing_from_elsewhere(path):
    text = path.read_text()

    found = [rule.findall(text) for rule in (SCRIPT, STYLE, HANDLER, ELSEWHERE)]

    assert found == [[], [], [], []]


@pytest.mark.parametrize("path", TEMPLATES, ids=names)
def test_a_block_is_closed_by_its_name(path):
    assert re.findall(r"{%-?\s*endblock\s*-?%}", path.read_text()) == []


def test_every_id_can_be_copied():
    shown = [names(path) for path in TEMPLATES if 'class="id"' in path.read_text()]

    assert shown == ["templates/_parts/copy.html"]


def test_a_field_with_an_error_of_its_own_takes_the_focus():
    """Where no summary above the form takes it."""
    invalid = [
        tag
        for path in TEMPLATES
        for tag in re.findall(r"{% if \w*problem %}[^%]*aria-invalid", path.read_text())
    ]

    assert len(invalid) > 1
    assert [tag for tag in invalid if "autofocus" not in tag] == []


def test_a_count_has_separators():
    """Lists reach 1,000 rows; `forloop.counter` is not a count."""
    count = re.compile(r"{{ (?:[\w.]+\.)?(?:\w+_)?(?:count|total) }}")
    small = {  # passkeys, recovery codes, findings of one version; the others are amounts
        "templates/billing/_costs.html",
        "templates/mfa/index.html",
        "templates/mfa/recovery_codes/index.html",
        "templates/products/_findings_counts.html",
    }

    found = {names(path) for path in TEMPLATES if count.search(path.read_text())}

    assert found - small == set()


def test_an_error_after_a_form_was_sent_takes_the_focus():
    """A refusal has `autofocus`, also for pages without scripts. Permanent text is not an alert."""
    shown = {names(path): path.read_text() for path in TEMPLATES}
    alerts = {
        name: re.findall(r'<[^>]*role="alert"[^>]*>', text)
        for name, text in shown.items()
        if not name.startswith("templates/admin/")
    }
    by_script = alerts.pop("templates/_parts/passkey_error.html")

    lost = {
        name: tag
        for name, tags in alerts.items()
        for tag in tags
        if 'tabindex="-1" autofocus' not in " ".join(tag.split())
    }
    assert len(by_script) == 1
    assert sum(map(len, alerts.values())) > 5
    assert lost == {}


def test_drawings_have_forced_colours_too():
    start = STYLES.index("@media (forced-colors: active)")
    forced = STYLES[start : STYLES.index("\n}", start)]

    drawn = set(re.findall(r"(?:fill|stroke): var\((--\w+)\)", STYLES))
    assert "--soft" in drawn
    assert {name for name in drawn if f"{name}: " not in forced} == set()


def test_dates_are_written_by_the_filters_that_know_the_reader():
    """The admin has one format for everyone."""
    pages = [path for path in TEMPLATES if "admin" not in path.parts]

    assert [
        names(path)
        for path in pages
        if re.search(r"\|(date|time|naturaltime)\b", path.read_text())
    ] == []


def test_every_included_template_documents_its_inputs():
    silent = [
        names(path)
        for path in TEMPLATES
        if path.parent.name == "_parts" and "{% comment %}" not in path.read_text()
    ]

    assert silent == []


def test_a_page_that_uses_htmx_loads_it():
    using = [path for path in TEMPLATES if re.search(r"\shx-[a-z]+=", path.read_text())]
    pages = [path for path in using if "{% extends" in path.read_text()]

    without = [
        names(path) for path in pages if '"_parts/htmx.html"' not in path.read_text()
    ]

    assert len(pages) >= 1
    assert without == []


def colours(theme: str) -> dict[str, str]:
    side = THEMES.index(theme)
    pairs = re.findall(r"--([a-z-]+): light-dark\((#\w+), (#\w+)\)", STYLES)
    return {name: (light, dark)[side] for name, light, dark in pairs}


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance)."""
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    parts = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


TEXT = [
    *(
        (ink, ground)
        for ink in ("ink", "soft", "accent")
        for ground in ("paper", "wash")
    ),
    *((ink, f"{ink}-wash") for ink in ("accent", "good", "warn", "bad")),
    *((ink, "paper") for ink in ("good", "warn", "bad")),
    *(("ink", f"{name}-wash") for name in ("accent", "good", "warn", "bad")),
    *(("soft", f"{name}-wash") for name in ("accent", "good", "warn", "bad")),
    ("on-fill", "accent"),
    ("on-fill", "bad"),
]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_has_enough_contrast_in_both_themes(ink, ground, theme):
    shades = colours(theme)

    assert contrast(shades[ink], shades[ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["paper", "wash"])
@pytest.mark.parametrize("border", ["edge", "accent"])
def test_borders_of_controls_and_the_focus_stand_out_in_both_themes(
    border, ground, theme
):
    shades = colours(theme)

    assert contrast(shades[border], shades[ground]) >= 3


def test_a_test_fails_if_a_template_reads_a_missing_key():
    with pytest.raises(MissingVariable):
        render_to_string("_parts/diff.html", {"changes": [{"field": "Port"}]})
