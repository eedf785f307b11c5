"""The base family of refusals: what went wrong, in words a customer can act on; no HTTP."""

from collections.abc import Sequence

from django.core.exceptions import PermissionDenied


class RefusalError(Exception):
    """Say why something was not done; `code` is for machines, the message for people.

    `field` names the field of a form that the refusal is about; "" for none.
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
    """There is no such thing, or none that the actor may know of."""

    code = "not_found"


class Conflict(RefusalError):
    """Somebody else was faster, or the state does not allow it."""

    code = "conflict"


class Invalid(RefusalError):
    """The input cannot be accepted."""

    code = "invalid"

    def __init__(
        self, message: str, *, field: str = "", details: Sequence[str] = ()
    ) -> None:
        super().__init__(message, details=details)
        self.field = field
