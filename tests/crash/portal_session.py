"""A person's session with the portal's pages: cookies and forms, without a browser."""

import re
from html import unescape
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

# The field `next` belongs to the page's footer and leads back to the page itself.
HIDDEN = re.compile(r'<input type="hidden" name="((?!next")[^"]+)" value="([^"]*)"')


class PortalSession:
    """The session of one person."""

    def __init__(self, portal: str, login: str, password: str) -> None:
        """Sign in."""
        self._portal = portal
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))
        self.submit("/accounts/login/", login=login, password=password)

    def submit(self, path: str, **fields: str) -> str:
        """Fill in the form of a page and send it; return the URL of the next page."""
        _, page = self._open(path)
        hidden = {name: unescape(value) for name, value in HIDDEN.findall(page)}
        url, page = self._open(path, hidden | fields)
        assert url != self._portal + path, f"the form is shown again: {page}"
        return url

    def _open(self, path: str, fields: dict[str, str] | None = None) -> tuple[str, str]:
        url = self._portal + path
        body = None if fields is None else urlencode(fields).encode()
        with self._opener.open(
            Request(url, body, {"Referer": url}), timeout=30
        ) as answer:
            return answer.url, answer.read().decode()
