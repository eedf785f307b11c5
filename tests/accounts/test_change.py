"""The order in which a recorded change locks chains, so that two changes never deadlock."""

import pytest
from django.db import connection

from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.policy import PLATFORM
from accounts.roles import Permission
from tests.factories import NOW
from tests.factories.world import CATALOGUE


@pytest.mark.django_db(transaction=True)
def test_chains_are_locked_in_the_order_of_their_names():
    locked = []

    def watch(execute, sql, params, many, context):
        if sql.startswith("SELECT") and "chainhead" in sql:
            locked.append(params[0])
        return execute(sql, params, many, context)

    with (
        connection.execute_wrapper(watch),
        recorded_change(
            CATALOGUE,
            Permission.CATALOGUE_MANAGE,
            on=PLATFORM,
            now=NOW,
            also=("z", "a"),
        ) as trail,
    ):
        heads = list(dict.fromkeys(locked))
        trail.note(Event.CATALOGUE_PRODUCT_ADDED, target=("product", "tea", "Tea"))

    assert heads == ["a", "platform", "z"]
