"""The base classes of refusals: what went wrong, in a sentence a customer can act on; no HTTP."""

from collections.abc import Sequence

from django.core.exceptions import PermissionDenied


class RefusalError(Exception):
    """Why something was not done; `code` is for programs, the message for people.

    `field` names the field of a form that the refusal is about, "" if there is none.
    """

    code = "refused"
    field = ""

    def __init__(self, message: str, *, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)


class Forbidden(RefusalError, PermissionDenied):
    """The actor is known and may not do this."""

    code = "forbidden"


class NotFound(RefusalError):
    """It does not exist, or the actor may not know that it does."""

    code = "not_found"


class Conflict(RefusalError):
    """The current state does not allow it, for example because of a concurrent change."""

    code = "conflict"


class Invalid(RefusalError):
    """The input is not valid."""

    code = "invalid"

    def __init__(
        self, message: str, *, field: str = "", details: Sequence[str] = ()
    ) -> None:
        super().__init__(message, details=details)
        self.field = field
