"""The life of a version, draft → locked → active, as a pure table of moves.

Only a draft can be changed; what was once locked or active never can again, and a
change to it starts from a clone.
Source: https://www.fastly.com/documentation/guides/getting-started/services/working-with-services/.
"""

from enum import StrEnum


class VersionState(StrEnum):
    """Where a version is in its life; an active one counts as locked too."""

    DRAFT = "draft"
    LOCKED = "locked"
    ACTIVE = "active"


class Transition(StrEnum):
    """What can be done with a version."""

    EDIT = "edit"
    CLONE = "clone"  # makes a new draft; the version itself stays what it is
    LOCK = "lock"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"


class TransitionRefused(Exception):
    """A move that a version's state does not allow."""

    def __init__(self, state: VersionState, move: Transition) -> None:
        """Keep both, and say them in a sentence."""
        article = "an" if state is VersionState.ACTIVE else "a"
        super().__init__(f"One cannot {move} {article} {state} version.")
        self.state = state
        self.move = move


TRANSITIONS: dict[tuple[VersionState, Transition], VersionState] = {
    (VersionState.DRAFT, Transition.EDIT): VersionState.DRAFT,
    (VersionState.DRAFT, Transition.CLONE): VersionState.DRAFT,
    (VersionState.DRAFT, Transition.LOCK): VersionState.LOCKED,
    (VersionState.DRAFT, Transition.ACTIVATE): VersionState.ACTIVE,
    (VersionState.LOCKED, Transition.CLONE): VersionState.LOCKED,
    (VersionState.LOCKED, Transition.ACTIVATE): VersionState.ACTIVE,
    (VersionState.ACTIVE, Transition.CLONE): VersionState.ACTIVE,
    (VersionState.ACTIVE, Transition.DEACTIVATE): VersionState.LOCKED,
}


def allowed(state: VersionState, move: Transition) -> bool:
    """Tell whether a version in this state may make this move."""
    return (state, move) in TRANSITIONS


def after(state: VersionState, move: Transition) -> VersionState:
    """Return the state that a move leads to.

    Raises TransitionRefused when the state does not allow it.
    """
    if not allowed(state, move):
        raise TransitionRefused(state, move)
    return TRANSITIONS[state, move]
