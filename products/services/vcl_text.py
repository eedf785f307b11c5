"""The VCL of a version as text: its main file, or its snippets in their subroutines.

The edge does not run VCL. The text shows what a version holds, in the order in which Fastly would
run it: by priority, then by name.
"""

import re
from collections.abc import Sequence

from products.services.models import Part

# Fastly puts its own code, and snippets, where a file has this line.
_MACRO = re.compile(r"^[ \t]*#FASTLY[ \t]+([a-zA-Z]+)[ \t]*$", re.MULTILINE)
SUBROUTINES = (
    "recv",
    "hash",
    "hit",
    "miss",
    "pass",
    "fetch",
    "error",
    "deliver",
    "log",
)
BOILERPLATE = "\n\n".join(
    f"sub vcl_{name} {{\n  #FASTLY {name}\n}}" for name in SUBROUTINES
)


def generated_vcl(files: Sequence[Part], snippets: Sequence[Part]) -> str:
    """Return the VCL of a version; without a main file, of the boilerplate."""
    main = next((each for each in files if each.value("main")), None)
    text = str(main.value("content")) if main else BOILERPLATE
    ordered = sorted(snippets, key=_order)
    before = [_snippet(each) for each in ordered if each.value("type") == "init"]
    body = _MACRO.sub(lambda found: _macro(found, ordered), text)
    return "\n\n".join([*before, body]) + "\n"


def _order(snippet: Part) -> tuple[int, str]:
    return int(str(snippet.value("priority"))), snippet.name


def _macro(found: re.Match[str], snippets: Sequence[Part]) -> str:
    name = found[1].lower()
    parts = [_snippet(each) for each in snippets if each.value("type") == name]
    return "\n".join([found[0], *parts])


def _snippet(snippet: Part) -> str:
    return f"# Snippet {snippet.name}\n{snippet.value('content') or ''}"
