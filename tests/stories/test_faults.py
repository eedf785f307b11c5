"""What the checks of a page find, although axe measures each combination of colours once."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import faults

pytestmark = pytest.mark.browser
PAGE = """
    <!doctype html>
    <html lang="en">
      <head>
        <title>Page</title>
        <style>
          :root {{ color-scheme: light dark; --behind: #fff; --text: #222; }}
          @media (prefers-color-scheme: dark) {{ :root {{ --behind: #111; --text: #ddd; }} }}
          body {{ background: var(--behind); color: var(--text); }}
          {style}
        </style>
      </head>
      <body><main><h1>Page</h1><p>First</p><div><p id="second">Second</p></div></main></body>
    </html>
"""
DARK = "@media (prefers-color-scheme: dark) { %s }"
LOW = [["color-contrast", '<p id="second">Second</p>']]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return an empty page."""
    with browser.new_page() as page:
        yield page


@pytest.mark.parametrize(
    "style",
    [
        "#second { color: #bbb; } @media (prefers-color-scheme: dark) { #second { color: #ddd; } }",
        DARK % "#second { color: #333; }",
        DARK % "#second { background: #ccc; }",
        DARK % "div { background: #ccc; }",
        DARK % "div { opacity: 0.3; }",
        DARK % "h1, #second { color: #666; font-weight: 400; }",
        DARK % "h1, #second { color: #666; font-size: 20px; }",
        DARK
        % "h1 { background: #ccc; color: #111; } #second { position: absolute; top: 1em; }",
    ],
    ids=[
        "light",
        "dark",
        "behind",
        "further behind",
        "opacity",
        "size",
        "weight",
        "positioned",
    ],
)
def test_low_contrast_in_one_scheme_is_found(page: Page, style: str) -> None:
    page.set_content(PAGE.format(style=style))

    assert faults(page) == LOW


def test_a_page_wider_than_a_narrow_screen_is_found(page: Page) -> None:
    page.set_content(PAGE.format(style="div { width: 400px; }"))

    assert faults(page) == ["408 pixels wide"]
