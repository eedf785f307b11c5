"""Generates docs/kinds.md; `python -m tests.architecture.kinds_page` prints it."""

from products.api.not_offered import NOT_OFFERED
from products.services.kinds import KINDS, Kind

HEAD = """# Kinds of parts, and what is not offered

What a version can hold, and what the edge carries out of it. The code is `products/services/kinds`
and `products/api/not_offered.py`. A test compares this page with the code;
`python -m tests.architecture.kinds_page > docs/kinds.md` generates it.

Stored only means: stored, cloned and answered by the API, but not carried out. The response to a
write names it in `msg`, and `validate` in its warnings.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_kinds(), "", *_not_offered()]) + "\n"


def _kinds() -> list[str]:
    return [
        "## Kinds",
        "",
        "| kind | path below a version | the edge | stored only |",
        "| --- | --- | --- | --- |",
        *(
            f"| {kind.label} | `{segment}` | {'carries it out' if kind.carried else '–'} | {_stored_only(kind)} |"
            for segment, kind in KINDS.items()
        ),
    ]


def _stored_only(kind: Kind) -> str:
    if not kind.carried:
        return "all of it"
    fields = (f"`{each.name}`" for each in kind.settable if not each.carried)
    return ", ".join(fields) or "–"


def _not_offered() -> list[str]:
    return [
        "## Not offered",
        "",
        "These paths answer 404 with the reason; `*` is any one segment.",
        "",
        "| path | why |",
        "| --- | --- |",
        *(f"| `/{path}` | {reason} |" for path, reason in NOT_OFFERED.items()),
    ]


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - this command prints the page
