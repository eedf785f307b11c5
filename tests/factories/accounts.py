"""Accounts, users, memberships, access to single services, and their actors."""

from typing import Any

import factory
from factory.django import DjangoModelFactory

from accounts.actor import Actor, Context, Interface
from accounts.commands.service_access import set_access
from accounts.models import Account, Membership, User
from accounts.notices import Topic
from accounts.roles import AccessLevel, Role
from products.services.models import Service
from tests.factories import NOW

PASSWORD = "correct horse battery staple"
# What a person chooses who wants no topic by email.
NO_EMAILS = {topic.value: False for topic in Topic}


class AccountFactory(DjangoModelFactory[Account]):
    """A customer."""

    class Meta:
        model = Account

    name = factory.Sequence(lambda number: f"Account {number}")
    created_at = NOW


class UserFactory(DjangoModelFactory[User]):
    """A user without an account, whose password is PASSWORD."""

    class Meta:
        model = User

    name = factory.Sequence(lambda number: f"Person {number}")
    email = factory.LazyAttribute(
        lambda row: f"{row.name.lower().replace(' ', '.')}@example.com"
    )
    password = PASSWORD

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **fields: Any) -> User:
        return model_class.objects.create_user(*args, **fields)


class MembershipFactory(DjangoModelFactory[Membership]):
    """A user's membership of an account; the role is engineer by default."""

    class Meta:
        model = Membership

    account = factory.SubFactory(AccountFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.ENGINEER.value
    created_at = NOW
    updated_at = NOW


def member(
    account: Account, name: str, role: Role, *, limit_services: bool = False
) -> User:
    """Create a user with a role in an account."""
    user = UserFactory.create(name=name)
    MembershipFactory.create(
        account=account, user=user, role=role.value, limit_services=limit_services
    )
    return user


def give_access(
    user: User, service: Service, level: AccessLevel = AccessLevel.FULL
) -> None:
    """Give a user with limited access one access level on one service."""
    set_access(user, service, level)


def context(interface: Interface = Interface.WEB) -> Context:
    """Return the context in which the tests' people act."""
    return Context(
        interface=interface,
        request_id="request-1",
        ip="192.0.2.10",
        user_agent="Tests/1",
        auth_method="password",
        reauth_at=NOW,
    )


def actor_for(
    user: User, account: Account, *, interface: Interface = Interface.WEB
) -> Actor:
    """Return the actor of a user in an account, just authenticated."""
    return Actor.user(
        user_id=user.pk,
        label=user.name,
        email=user.email,
        account_id=account.pk,
        context=context(interface),
    )


def staff_actor(user: User) -> Actor:
    """Return the actor of a member of staff in the admin."""
    return Actor.staff(
        user_id=user.pk, label=user.name, email=user.email, context=context("admin")
    )
