"""Every regular expression takes a time proportional to the text, whatever the text is."""

import importlib
import inspect
import pkgutil
import re
import time
from collections import deque
from heapq import nlargest
from itertools import product

import pytest

import accounts
import portal
import products

SIZE = 64 * 1024
SHORT_SIZE = 1024
METHODS = (
    "findall",
    "finditer",
    "fullmatch",
    "match",
    "search",
    "split",
    "sub",
    "subn",
)
MAX_SECONDS = 0.25  # a linear one takes some milliseconds, a quadratic one minutes
NOT_IMPORTED = (
    "__main__",
    ".migrations.",
)  # the edge's own start, and what has no patterns
# What the expressions look for, to be repeated alone, in pairs, and after a start that matches.
PIECES = (
    *'aZ0-_ .:,;%{}()[]<>"/\\*#@=+\t\n\r\0é\u2028',
    "%{", "}i", '{"', '"}', '{A"', "//", "/*", "*/", "return", "upgrade", "(", "a=", "a=a ",
    "HTTP/1.1 ", "http://", "\r\n", "password", "authorization-",
)  # fmt: skip
STARTS = ("", '"', '{"', "/*", "%{", "return(", "a", "HTTP/1.1 200 ", "GET ")
ENDS = ("", "!", '"', "}", "\n")


def patterns():
    found = {}
    for package in (accounts, portal, products):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if any(part in info.name + "." for part in NOT_IMPORTED):
                continue
            module = importlib.import_module(info.name)
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern):
                    uses = uses_of(name, inspect.getsource(module))
                    found[f"{info.name}.{name}"] = [getattr(value, use) for use in uses]
    return found


def uses_of(name, source):
    """Return the methods of a pattern that its module calls; all if it passes the pattern on."""
    called = set(re.findall(rf"\b{name}\.({'|'.join(METHODS)})\b", source))
    return called or METHODS


PATTERNS = patterns()


def shapes():
    """Return start, repeated piece and end of many texts."""
    pairs = [left + right for left, right in product(PIECES, repeat=2)]
    alone = [("", piece, "") for piece in (*PIECES, *pairs)]
    return [*alone, *product(STARTS, PIECES, ENDS)]


SHAPES = shapes()


def seconds_for(uses, shape, size):
    """Return the longest time that the expression needs for a text of this shape and size."""
    start, piece, end = shape
    text = start + piece * (size // len(piece)) + end
    is_bytes = isinstance(uses[0].__self__.pattern, bytes)
    given = text.encode() if is_bytes else text
    times = []
    for use in uses:
        began = time.process_time()
        if use.__name__ in {"sub", "subn"}:
            use(given[:0], given)
        else:
            deque(use(given) or (), maxlen=0) if use.__name__ == "finditer" else use(
                given
            )
        times.append(time.process_time() - began)
    return max(times)


def worst_shapes(uses):
    """Return the shapes whose short texts take longest."""
    return nlargest(5, SHAPES, key=lambda shape: seconds_for(uses, shape, SHORT_SIZE))


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_a_regular_expression_is_linear(name):
    for shape in worst_shapes(PATTERNS[name]):
        # The short text first: a quadratic expression fails with it, and soon.
        assert seconds_for(PATTERNS[name], shape, SIZE // 16) < MAX_SECONDS / 16, shape
        assert seconds_for(PATTERNS[name], shape, SIZE) < MAX_SECONDS, shape


def test_the_expressions_are_found():
    assert len(PATTERNS) > 20


def test_a_quadratic_expression_is_noticed():
    uses = [re.compile(r"%\{([^}:]+)\}i").findall]
    shape = worst_shapes(uses)[0]

    # A quarter of the size, in more than a sixteenth of the time.
    assert seconds_for(uses, shape, SIZE // 4) > MAX_SECONDS / 16
