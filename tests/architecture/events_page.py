"""docs/events-and-permissions.md as the code has it; `python -m tests.architecture.events_page` prints it."""

from accounts.audit.vocabulary import Event
from accounts.roles import (
    ABILITIES,
    STAFF_PERMISSIONS,
    SYSTEM_PERMISSIONS,
    Permission,
    roles_with,
)

HEAD = """# The vocabulary

Every word that the audit trail can hold, and every permission that can be asked for. The code is
`accounts/audit/vocabulary.py` and `accounts/roles.py`; a test compares this page with it, and
`python -m tests.architecture.events_page > docs/events-and-permissions.md` writes it anew.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_events(), "", *_permissions()]) + "\n"


def _events() -> list[str]:
    return [
        "## Events",
        "",
        "Each reads as a sentence after somebody's name. Fastly's type is what the API's `events` call it.",
        "",
        "| event | somebody … | Fastly's type |",
        "| --- | --- | --- |",
        *(
            f"| `{event.value}` | {event.description} | {_code(event.fastly_type)} |"
            for event in Event
        ),
    ]


def _permissions() -> list[str]:
    return [
        "## Permissions",
        "",
        "Roles are selective, not additive (R20). Staff and system jobs have what is listed here,",
        "and no role in any account.",
        "",
        "| permission | allows to | roles | platform |",
        "| --- | --- | --- | --- |",
        *(
            f"| `{permission.value}` | {ABILITIES[permission]} "
            f"| {', '.join(roles_with(permission)) or '–'} | {_platform(permission)} |"
            for permission in Permission
        ),
    ]


def _platform(permission: Permission) -> str:
    jobs = [
        f"`{job}`"
        for job, allowed in sorted(SYSTEM_PERMISSIONS.items())
        if permission in allowed
    ]
    staff = ["staff"] if permission in STAFF_PERMISSIONS else []
    return ", ".join([*staff, *jobs]) or "–"


def _code(word: str) -> str:
    return f"`{word}`" if word else "–"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - a page to standard output is all it does
