"""Generates docs/events-and-permissions.md; `python -m tests.architecture.events_page` prints it."""

from accounts.audit.vocabulary import Event
from accounts.roles import (
    ABILITIES,
    STAFF_PERMISSIONS,
    SYSTEM_PERMISSIONS,
    Permission,
    roles_with,
)

HEAD = """# Events and permissions

Every event that the audit trail can contain, and every permission. The code is
`accounts/audit/vocabulary.py` and `accounts/roles.py`. A test compares this page with the code;
`python -m tests.architecture.events_page > docs/events-and-permissions.md` generates it.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_events(), "", *_permissions()]) + "\n"


def _events() -> list[str]:
    return [
        "## Events",
        "",
        "The description follows an actor's name. Fastly's type is the event's type in the API (`/events`).",
        "An event that affects routes moves the account's `routes_revision`, so that edges get new routes.",
        "",
        "| event | the actor … | Fastly's type | affects routes |",
        "| --- | --- | --- | --- |",
        *(
            f"| `{event.value}` | {event.description} | {_code(event.fastly_type)} "
            f"| {'yes' if event.affects_routes else '–'} |"
            for event in Event
        ),
    ]


def _permissions() -> list[str]:
    return [
        "## Permissions",
        "",
        "Roles are selective, not additive (R20). Staff and system jobs have the permissions listed",
        "here, and no role in any account.",
        "",
        "| permission | allows to | roles | staff and system jobs |",
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


def _code(text: str) -> str:
    return f"`{text}`" if text else "–"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - this command prints the page
