"""The base classes of refusals: what went wrong, in a sentence a customer can act on; no HTTP."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from django.core.exceptions import PermissionDenied

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class RefusalError(Exception):
    """Why something was not done; `code` is for programs, the message for people.

    `field` names the field of a form that the refusal is about, "" if there is none. `data` is for
    programs, such as the checks of a refused deployment.
    """

    code = "refused"
    field = ""

    def __init__(self, message: str, *, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)
        self.data: Mapping[str, object] = {}

    @property
    def text(self) -> str:
        """Return the message and those details that it does not contain, as one text."""
        more = [each for each in self.details if each not in self.message]
        return " ".join([self.message, *more])


class Forbidden(RefusalError, PermissionDenied):
    """The actor is known and may not do this."""

    code = "forbidden"


class NotFound(RefusalError):
    """It does not exist, or the actor may not know that it does."""

    code = "not_found"


class Conflict(RefusalError):
    """The current state does not allow it, for example because of a concurrent change."""

    code = "conflict"


class LimitReached(Conflict):
    """A limit per time was reached; it can be tried again after `retry_after_seconds`."""

    code = "limit_reached"

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Invalid(RefusalError):
    """The input is not valid; `problems` has a sentence per invalid field, if fields are known."""

    code = "invalid"

    def __init__(
        self, message: str, *, field: str = "", details: Sequence[str] = ()
    ) -> None:
        super().__init__(message, details=details)
        self.field = field
        self.problems: dict[str, str] = {field: message} if field else {}


def for_each(
    items: Sequence[ItemT], noun: str, call: Callable[[ItemT], ResultT]
) -> list[ResultT]:
    """Return what a call returns for each item.

    A refusal that it raises says which of several items it is about: `Operation 6: …`.
    """
    results = []
    for number, item in enumerate(items, start=1):
        try:
            results.append(call(item))
        except RefusalError as refused:
            if len(items) > 1:
                refused.message = f"{noun} {number}: {refused.message}"
            raise
    return results
