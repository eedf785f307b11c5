"""Every security requirement that applies names a control and a test that exists."""

import csv
import re
from functools import cache

from tests.architecture.source import ROOT


def rows():
    with (ROOT / "docs" / "security" / "asvs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def text_of(path):
    file = ROOT / path
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def exists(test):
    path, _, name = test.partition("::")
    return re.search(rf"^(async )?def {name}\(", text_of(path), re.MULTILINE)


def test_each_requirement_is_listed_once_in_the_order_of_asvs():
    ids = [tuple(map(int, row["id"].split("."))) for row in rows()]

    assert ids == sorted(set(ids))


def test_a_requirement_that_applies_has_a_control_and_a_test_that_exists():
    assert [
        row["id"]
        for row in rows()
        if row["applies"] == "yes" and not (row["control"] and exists(row["test"]))
    ] == []


def test_a_requirement_that_does_not_apply_says_why():
    others = [row for row in rows() if row["applies"] != "yes"]

    assert {row["applies"] for row in others} <= {"no"}
    assert all(row["control"] and not row["test"] for row in others)
