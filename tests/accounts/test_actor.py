"""Who acts, as people read it."""

import pytest

from accounts.actor import MAX_ACTOR_LENGTH, Actor, ActorType

NAME = "x" * 100  # the longest name of a user, and of a token


@pytest.mark.parametrize(
    ("kind", "label", "words"),
    [
        ("user", "Sam", "Sam"),
        ("staff", "Ada", "Ada (Tollgate staff)"),
        ("system", "load-demo", "Tollgate"),
        ("token", "Sam (Deploy)", "Sam (token Deploy)"),
        ("token", "Deploy (automation token)", "Deploy (automation token)"),
    ],
)
def test_an_actor_in_words(kind, label, words):
    assert Actor(ActorType(kind), "1", label).words == words


@pytest.mark.parametrize(
    ("kind", "label"),
    [("token", f"{NAME} ({NAME})"), ("staff", f"{NAME}, as proposed by {NAME}")],
)
def test_the_longest_words_fit_where_they_are_kept(kind, label):
    assert len(Actor(ActorType(kind), "1", label).words) <= MAX_ACTOR_LENGTH
