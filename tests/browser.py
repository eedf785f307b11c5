"""A real Chromium for tests, and what is wrong with a page in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import (
    Browser,
    Error,
    Locator,
    LocatorAssertions,
    Page,
    expect,
    sync_playwright,
)

from tests.ci_rules import program

SWITCHES = (
    "--disable-gpu",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
    "--js-flags=--no-maglev --no-opt",  # no page lives long enough to gain by them
)
WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 320, "height": 640}
WAIT_MILLISECONDS = 60_000  # on a machine that runs much else
expect.set_options(timeout=WAIT_MILLISECONDS)
# What axe takes longest for is contrast. Text of the same colours has the same, so it measures a
# combination of colours once, and in a second colour scheme only what that draws in others.
# Positioned text may be in front of anything: it is measured each time.
COLOURS_ONCE = """
    () => {
      window.texts = new Set();
      window.enough = new Set();
      window.coloursOf = element => {
        const { color, fontSize, fontWeight, textShadow } = getComputedStyle(element);
        const found = [color, fontSize, fontWeight, textShadow];
        for (let each = element; each; each = each.parentElement) {
          const { backgroundColor, backgroundImage, opacity, position } = getComputedStyle(each);
          if (position === "absolute" || position === "fixed") return null;
          const drawn = `${backgroundColor} ${backgroundImage} ${opacity}`;
          if (drawn !== "rgba(0, 0, 0, 0) none 1") found.push(drawn);
        }
        return found.join("; ");
      };
      const contrast = axe._audit.checks["color-contrast"];
      const measure = contrast.evaluate;
      contrast.evaluate = function (element, ...rest) {
        texts.add(element);
        const colours = coloursOf(element);
        if (enough.has(colours)) return true;
        const result = measure.call(this, element, ...rest);
        if (result && colours) enough.add(colours);
        return result;
      };
    }
"""
# It must not load the style sheets that Django's import: the CSP forbids how it does so.
AXE = """
    async ([known, isSecondScheme]) => {
      const ends = animation => animation.effect.getComputedTiming().endTime < Infinity;
      document.getAnimations().filter(ends).forEach(animation => animation.finish());
      known.forEach(each => enough.add(each));
      const options = { resultTypes: ["violations"], preload: false };
      let context = document;
      if (isSecondScheme) {
        const isUnknown = each => each.isConnected && !enough.has(coloursOf(each));
        context = Array.from(texts).filter(isUnknown);
        if (!context.length) return [[], []];
        options.runOnly = ["color-contrast"];
      }
      texts.clear();
      const { violations } = await axe.run(context, options);
      return [violations.map(({ id, nodes }) => [id, nodes[0].html]), Array.from(enough)];
    }
"""
_enough: set[str] = set()  # combinations of colours whose contrast axe found enough


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium, and stop it at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("browser"), args=SWITCHES
        )
        yield browser
        browser.close()


def violations(page: Page, *, is_second_scheme: bool = False) -> list[Any]:
    """Return what axe finds on the page: each rule and its first element.

    After a change of the colour scheme it looks only for contrast, on the page that it knows.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
        page.evaluate(COLOURS_ONCE)
    found, enough = page.evaluate(AXE, [list(_enough), is_second_scheme])
    _enough.update(enough)
    return list(found)


def faults(page: Page) -> list[Any]:
    """Return what axe finds in both colour schemes, and the width if 320 pixels are too few."""
    page.wait_for_load_state()
    page.emulate_media(color_scheme="light")
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    found += violations(page, is_second_scheme=True)
    page.emulate_media(color_scheme="light")
    before = page.viewport_size
    page.set_viewport_size(NARROW)
    width = page.evaluate("document.documentElement.scrollWidth")
    if before:
        page.set_viewport_size(before)
    return found if width <= NARROW["width"] else [*found, f"{width} pixels wide"]


# htmx logs these if a person follows a link while the editor's findings are loading.
LEFT_IN_FLIGHT = ("htmx:sendAbort", "htmx:afterRequest")


@dataclass(slots=True)
class Visitor:
    """A person at a browser, and what the browser complained about."""

    page: Page
    portal: str  # its address
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Keep the warnings and errors that the browser logs, such as a violation of the CSP."""
        self.page.on("console", lambda said: self._complaint(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _complaint(self, kind: str, words: str) -> None:
        if words.startswith(LEFT_IN_FLIGHT):
            return
        # The browser logs every response with a status of 4xx or 5xx, also an expected one.
        if (
            kind in {"error", "warning"}
            and "the server responded with a status of" not in words
        ):
            self.complaints.append(words)

    def open(self, path: str) -> None:
        """Go to a page of the portal."""
        self.page.goto(f"{self.portal}{path}")

    def press(self, name: str) -> None:
        """Press a button of the page itself, not of its frame."""
        self._click(self.page.get_by_role("main").get_by_role("button", name=name))

    def follow(self, name: str) -> None:
        """Follow a link."""
        self._click(self.page.get_by_role("link", name=name))

    def unfold(self, name: str) -> None:
        """Open what is behind a summary."""
        self._click(self.page.locator("summary", has_text=name))

    def _click(self, target: Locator) -> None:
        try:
            target.first.click()
            # A click ends when the first bytes of the next page are here.
            self.page.wait_for_load_state()
        except Error as error:
            error.add_note(
                f"{self.page.url}:\n{self.page.locator('body').inner_text()}"
            )
            raise

    def type(self, label: str, words: str) -> None:
        """Type into a field."""
        fields = self.page.locator("input, textarea")
        self.page.get_by_label(label, exact=True).and_(fields).fill(words)

    def choose(self, label: str, option: str) -> None:
        """Choose an option of a list."""
        self.page.get_by_label(label, exact=True).select_option(label=option)

    def reads(self, *sentences: str) -> None:
        """Wait until the page has some sentences, and fail if it does not."""
        for words in sentences:
            self._expect(
                f"has no {words!r}",
                lambda body, words=words: body.to_contain_text(words),
            )

    def misses(self, *sentences: str) -> None:
        """Wait until the page does not have some sentences, and fail if it does."""
        for words in sentences:
            self._expect(
                f"has {words!r}",
                lambda body, words=words: body.not_to_contain_text(words),
            )

    def _expect(self, problem: str, check: Callable[[LocatorAssertions], None]) -> None:
        body = self.page.locator("body")
        try:
            check(expect(body))
        except AssertionError:
            words = f"{self.page.url} {problem}:\n{body.inner_text()}"
            raise AssertionError(words) from None

    def titled(self, words: str) -> None:
        """Wait for the page with a title."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(words)

    def faults(self) -> list[Any]:
        """Return what axe and the browser complain about in this state of the page."""
        said, self.complaints = self.complaints, []
        return [*said, *faults(self.page)]
