"""Webhooks, with a signing secret that tests know."""

from typing import Any

import factory
from factory.django import DjangoModelFactory

from accounts.audit import reader
from accounts.encryption import encrypt
from products.webhooks.models import Webhook
from tests.factories import NOW
from tests.factories.accounts import AccountFactory

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class WebhookFactory(DjangoModelFactory[Webhook]):
    """A webhook for all events, which has got everything until now."""

    class Meta:
        model = Webhook

    account = factory.SubFactory(AccountFactory)
    url = "https://example.com/hooks"
    secret = factory.LazyFunction(lambda: encrypt(SECRET))
    created_at = NOW
    created_by = "Sam"
    due_at = NOW

    @classmethod
    def _create(cls, model_class: type[Webhook], *args: Any, **fields: Any) -> Webhook:
        row: Webhook = super()._create(model_class, *args, **fields)
        end = reader.end_of(row.account_id)
        reader.start(row.reader, row.account_id, after=end)
        return row
