"""All declarations: they are documented, and what they accept once they accept again."""

from contextlib import suppress
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from products.compatibility.backend_settings import BACKEND_LABELS
from products.compatibility.version_config import BackendConfig, HeaderConfig
from products.services.kinds import KINDS, Field
from products.services.kinds.fields import Type
from products.services.validation import InvalidFields, clean
from tests.architecture.kinds_page import page
from tests.architecture.source import ROOT

KIND = pytest.mark.parametrize("segment", list(KINDS))
NAMES = {"domain": "www.example.com", "acl": "one"}
FORMS = {
    Type.TEXT: st.text(max_size=20)
    | st.sampled_from(["a.example", "https://a.example/"]),
    Type.NUMBER: st.integers(-1, 2**31) | st.integers(0, 100).map(str),
    Type.FLAG: st.sampled_from(["0", "1", "true", "False", True]),
    Type.LIST: st.sampled_from(["a,b", '["a", "b"]', ["a"], "GET", ""]),
    Type.OBJECT: st.sampled_from(['{"status": "429"}', {"content": "x"}, ""]),
}


def value_of(field: Field) -> st.SearchStrategy:
    """Return what a client may send for a field."""
    chosen = st.sampled_from(field.choices) if field.choices else st.nothing()
    return chosen | FORMS[field.type] | st.sampled_from(["", None])


def test_the_documentation_lists_what_the_code_has():
    written = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")

    assert written == page()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(segment=st.sampled_from(list(KINDS)), data=st.data())
def test_what_is_stored_is_valid_and_is_stored_again_unchanged(segment, data):
    kind = KINDS[segment]
    sent = data.draw(
        st.fixed_dictionaries(
            {}, optional={each.name: value_of(each) for each in kind.settable}
        )
    )
    name = NAMES.get(segment, "one")
    stored = None
    with suppress(InvalidFields):
        stored = clean(kind, name, kind.couple(sent))
    assume(stored is not None)

    assert clean(kind, name, stored) == stored
    assert kind.in_api(stored, lambda _field: False) == kind.in_api(
        clean(kind, name, stored), lambda _field: False
    )


@KIND
def test_no_field_is_declared_twice(segment):
    names = [each.name for each in KINDS[segment].fields]

    assert len(names) == len(set(names))


def test_findings_call_the_settings_of_a_backend_as_its_form_does():
    declared = KINDS["backend"].by_name

    assert {name: declared[name].label for name in BACKEND_LABELS} == BACKEND_LABELS


@pytest.mark.parametrize(
    ("segment", "config"), [("backend", BackendConfig), ("header", HeaderConfig)]
)
def test_the_rules_read_the_fields_and_defaults_that_are_declared(segment, config):
    declared = KINDS[segment].by_name
    optional = [each for each in fields(config) if each.name in declared]

    differing = {
        each.name: (each.default, declared[each.name].default)
        for each in optional
        if not declared[each.name].required
        and each.default != declared[each.name].default
        and not (each.default in ("", False) and declared[each.name].default is None)
    }
    assert differing == {}
    assert {each.name for each in fields(config)} - declared.keys() == {"name"}
