"""The states of a version, draft → locked → active, and the transitions between them.

Only a draft can be edited. A version that was locked or active once never can again; to change
it, clone it.
Source: https://www.fastly.com/documentation/guides/getting-started/services/working-with-services/.
"""

from enum import StrEnum


class VersionState(StrEnum):
    """The state of a version; an active one counts as locked too."""

    DRAFT = "draft"
    LOCKED = "locked"
    ACTIVE = "active"


class Transition(StrEnum):
    """What a command does to a version. Cloning is possible in every state."""

    EDIT = "edit"
    LOCK = "lock"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"


TRANSITIONS = {
    Transition.EDIT: frozenset({VersionState.DRAFT}),
    Transition.LOCK: frozenset({VersionState.DRAFT}),
    Transition.ACTIVATE: frozenset({VersionState.DRAFT, VersionState.LOCKED}),
    Transition.DEACTIVATE: frozenset({VersionState.ACTIVE}),
}


def is_allowed(state: VersionState, transition: Transition) -> bool:
    """Tell whether a version in this state can make this transition."""
    return state in TRANSITIONS[transition]
