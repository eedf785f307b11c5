"""People: how they come to be, with an address that is proved and a password that holds."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.errors import Conflict, Invalid
from accounts.ids import new_id
from accounts.models import User
from accounts.policy import PLATFORM
from accounts.roles import Permission

MAX_USER_NAME_LENGTH = 100


class AddressTaken(Conflict):
    """Somebody signs in with this address already."""

    code = "address_taken"


@dataclass(frozen=True, slots=True)
class NewUser:
    """A person to be made: everything checked, the password hashed."""

    email: str
    name: str
    password_hash: str


def cleaned_name(name: str, *, field: str = "name") -> str:
    """Return a name without surrounding space; raises Invalid for an empty, long or unprintable one."""
    name = name.strip()
    if not name:
        raise Invalid("Give a name.", field=field)
    if len(name) > MAX_USER_NAME_LENGTH:
        raise Invalid(
            f"A name has at most {MAX_USER_NAME_LENGTH} characters.", field=field
        )
    if any(unicodedata.category(character).startswith("C") for character in name):
        raise Invalid("A name has no control characters.", field=field)
    return name


def cleaned_email(email: str, *, field: str = "email") -> str:
    """Return an address in lower case; raises Invalid for what is none."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Invalid("This is not an e-mail address.", field=field) from error
    return email


def validate_new_user(*, email: str, name: str, password: str | None) -> NewUser:
    """Check a person to be made; raises Invalid with every fault of the password.

    Hashing takes its time on purpose, so it is done here, outside any transaction. None gives a
    password that cannot be used: the person sets one by e-mail.
    """
    email, name = cleaned_email(email), cleaned_name(name)
    if password is not None:
        try:
            validate_password(password, User(email=email, name=name))
        except ValidationError as error:
            words = " ".join(error.messages)
            raise Invalid(words, field="password", details=error.messages) from error
    return NewUser(email, name, make_password(password))


def user_with_email(email: str) -> User | None:
    """Return who has proved an address, or None."""
    proved = EmailAddress.objects.filter(email=email, verified=True)
    return (
        User.objects.filter(email=email).first()
        or User.objects.filter(pk__in=proved.values("user_id")).first()
    )


def add_person(
    person: NewUser, *, now: datetime, user_id: str = "", is_admin: bool = False
) -> User:
    """Write a person and their proved address, inside the caller's door; `user_id` where it is told.

    Raises AddressTaken where the address has an owner.
    """
    try:
        user = User.objects.create(
            id=user_id or new_id(),
            email=person.email,
            name=person.name,
            password=person.password_hash,
            password_changed_at=now,
            is_staff=is_admin,
            is_superuser=is_admin,
        )
        EmailAddress.objects.create(
            user=user, email=person.email, verified=True, primary=True
        )
    except IntegrityError as error:
        raise AddressTaken(f"Somebody signs in with {person.email} already.") from error
    return user


def create_staff(
    actor: Actor, *, email: str, name: str, password: str, now: datetime
) -> User:
    """Make one of the platform's admins; that is no role in any account.

    Raises Forbidden, Invalid, and AddressTaken where the address has an owner. Notes user.created
    in the platform's chain.
    """
    person = validate_new_user(email=email, name=name, password=password)
    with recorded_change(
        actor, Permission.ACCOUNT_CREATE, on=PLATFORM, now=now
    ) as trail:
        user = add_person(person, now=now, is_admin=True)
        trail.note(
            Event.USER_CREATED,
            target=("user", user.pk, user.name),
            after={"is_staff": True},
        )
    return user
