"""Users: created with a verified email address and a checked password."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError

from accounts.errors import Conflict, Invalid
from accounts.ids import new_id
from accounts.models import User
from accounts.readable import has_hidden_characters

MAX_USER_NAME_LENGTH = 100


class AddressTaken(Conflict):
    """The email address already has a login."""

    code = "address_taken"


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be created: all values are checked and the password is hashed."""

    email: str
    name: str
    password_hash: str


def cleaned_name(name: str) -> str:
    """Return a name without surrounding space; raises Invalid if it is empty, too long or unprintable."""
    name = unicodedata.normalize("NFC", name.strip())
    if not name:
        raise Invalid("Enter a name.", field="name")
    if len(name) > MAX_USER_NAME_LENGTH:
        raise Invalid(
            f"A name has at most {MAX_USER_NAME_LENGTH} characters.", field="name"
        )
    if has_hidden_characters(name):
        raise Invalid("Remove control characters from the name.", field="name")
    return name


def cleaned_email(email: str, *, field: str = "email") -> str:
    """Return an email address in lower case; raises Invalid if it is not one."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Invalid("Enter a valid email address.", field=field) from error
    return email


def masked(email: str) -> str:
    """Return an email address as the audit trail contains it: first letter and domain."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}…@{domain}"


def validate_new_user(*, email: str, name: str, password: str | None) -> NewUser:
    """Check and hash the values of a new user; raises Invalid with all faults of the password.

    Hashing is slow on purpose, so call this outside any transaction. None gives a password that
    never matches: the user chooses one by email.
    """
    email, name = cleaned_email(email), cleaned_name(name)
    if password is not None:
        try:
            validate_password(password, User(email=email, name=name))
        except ValidationError as error:
            message = " ".join(error.messages)
            raise Invalid(message, field="password", details=error.messages) from error
    return NewUser(email, name, make_password(password))


def user_with_email(email: str) -> User | None:
    """Return the user who has verified an email address, or None."""
    verified = EmailAddress.objects.filter(email=email, verified=True)
    return (
        User.objects.filter(email=email).first()
        or User.objects.filter(pk__in=verified.values("user_id")).first()
    )


def add_user(
    new: NewUser, *, now: datetime, user_id: str = "", is_staff: bool = False
) -> User:
    """Create a user and their verified address, within the caller's `recorded_change`.

    Raises AddressTaken if the address has a login.
    """
    try:
        user = User.objects.create(
            id=user_id or new_id(),
            email=new.email,
            name=new.name,
            password=new.password_hash,
            password_changed_at=now,
            is_staff=is_staff,
            is_superuser=is_staff,
        )
        EmailAddress.objects.create(
            user=user, email=new.email, verified=True, primary=True
        )
    except IntegrityError as error:
        raise AddressTaken(f"{new.email} already has a login.") from error
    return user
