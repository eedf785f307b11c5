"""Accounts, people, memberships, access to single services; and actors made of them."""

from typing import Any

import factory
from factory.django import DjangoModelFactory

from accounts.actor import Actor, Context, Interface
from accounts.commands.service_access import set_access
from accounts.models import Account, Membership, User
from accounts.roles import AccessLevel, Role
from products.services.models import Service
from tests.factories import NOW

PASSWORD = "correct horse battery staple"


class AccountFactory(DjangoModelFactory[Account]):
    """A customer."""

    class Meta:
        model = Account

    name = factory.Sequence(lambda number: f"Account {number}")
    created_at = NOW


class UserFactory(DjangoModelFactory[User]):
    """A person whose password is PASSWORD; in no account."""

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
    """What a person is in an account: an engineer, if not said otherwise."""

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
    """Make a person with a role in an account."""
    user = UserFactory.create(name=name)
    MembershipFactory.create(
        account=account, user=user, role=role.value, limit_services=limit_services
    )
    return user


def give_access(
    user: User, service: Service, level: AccessLevel = AccessLevel.FULL
) -> None:
    """Give a person whose access is limited one level on one service."""
    set_access(user, service, level)


def context(interface: Interface = Interface.WEB) -> Context:
    """Return where the tests' people act from."""
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
    """Return a person as they act in one account, freshly authenticated."""
    return Actor.user(
        user_id=user.pk,
        label=user.name,
        email=user.email,
        account_id=account.pk,
        context=context(interface),
    )


def staff_actor(user: User) -> Actor:
    """Return one of the platform's staff as they act in the admin."""
    return Actor.staff(
        user_id=user.pk, label=user.name, email=user.email, context=context("admin")
    )
