"""The help pages: Markdown of `docs/help`, shown as pages that need no sign-in."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from accounts.errors import NotFound

if TYPE_CHECKING:
    from markdown_it.token import Token

FOLDER: Final = Path(settings.BASE_DIR) / "docs" / "help"
# The page about each rule, by its number.
RULE_PAGES: Final = {
    "R6": "shielding",
    "R7": "next-gen-waf",
    "R8": "backend-settings",
    "R9": "origin-certificates",
    "R10": "logging",
    "R11": "request-headers",
}
CHECKS_PAGE: Final = "deployment-checks"


@dataclass(frozen=True, slots=True)
class HelpPage:
    """A help page: its title, and the rest as HTML."""

    title: str
    body: SafeString


def rule_url(rule: str) -> str:
    """Return the address of the page about a rule."""
    return reverse("help_page", args=[RULE_PAGES[rule]])


def check_url(title: str) -> str:
    """Return the address of the section about a check, by its title."""
    return f"{reverse('help_page', args=[CHECKS_PAGE])}#{slugify(title)}"


@cache
def help_pages() -> dict[str, Path]:
    """Return the files of the pages by their names."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.md"))}


@cache
def read_page(name: str) -> HelpPage:
    """Read a page. Raises NotFound."""
    # It takes a twentieth of the start of a program, and few programs show help.
    from markdown_it import MarkdownIt  # noqa: PLC0415

    path = help_pages().get(name)
    if path is None:
        raise NotFound("There is no such help page.")
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(path.read_text("utf-8"))
    title = tokens[1].content  # of the first heading: its opening, its text, its end
    rest = list(_adapted(tokens[3:]))
    _lead_to_pages(rest)
    html = markdown.renderer.render(rest, markdown.options, {})
    return HelpPage(title, mark_safe(html))  # noqa: S308 - our own files, without HTML


def _adapted(tokens: "list[Token]") -> "Iterator[Token]":
    """Yield the tokens; headings get ids, and cells the names of their columns for narrow screens."""
    columns: list[str] = []
    cell = 0
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        text = following.content if following else ""
        match token.type:
            case "heading_open":
                token.attrSet("id", slugify(text))
            case "table_open":
                token.attrSet("class", "blocks")
                columns = []
            case "th_open":
                token.attrSet("scope", "col")
                columns.append(text[:1].upper() + text[1:])
            case "tr_open":
                cell = 0
            case "td_open":
                token.attrSet("data-label", columns[cell])
                cell += 1
        yield token


def _lead_to_pages(tokens: "list[Token]") -> None:
    """Let links to files of this folder lead to their pages."""
    for token in tokens:
        for child in token.children or []:
            if child.type == "link_open":
                child.attrSet("href", _page_address(str(child.attrGet("href"))))


def _page_address(href: str) -> str:
    if not href.endswith(".md"):
        return href
    name = href.removesuffix(".md")
    return reverse("help") if name == "index" else reverse("help_page", args=[name])


@require_safe
def help_page(request: HttpRequest, page: str = "index") -> HttpResponse:
    """Show a help page."""
    context = {"page": read_page(page), "is_index": page == "index"}
    return render(request, "help.html", context)
