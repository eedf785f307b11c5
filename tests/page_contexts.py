"""Gives test clients the context of each page, but not a copy for everything that it includes.

Django copies the context for each widget and each included row, and informs all clients. Loaded by
conftest.py.
"""

from collections.abc import Iterator

import pytest
from django.template import Context, RequestContext, Template
from django.test.signals import template_rendered


def _render(template: Template, context: Context) -> str:
    """Render a template; send the signal of Django's tests only if it is a page."""
    if context.template is template and isinstance(context, RequestContext):
        template_rendered.send(sender=template, template=template, context=context)
    return template.nodelist.render(context)


@pytest.fixture(scope="session", autouse=True)
def _contexts_of_pages(django_test_environment: None) -> Iterator[None]:
    render = Template._render
    Template._render = _render
    yield
    Template._render = render
