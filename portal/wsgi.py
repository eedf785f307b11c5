"""The WSGI application."""

import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from products.protocol import INVALID_PATH

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

_django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Serve a request; mark a path that is not UTF-8, which Django would change."""
    try:
        # Each character is a byte (PEP 3333).
        environ.get("PATH_INFO", "").encode("latin-1").decode()
    except UnicodeError:
        environ[INVALID_PATH] = True
    return _django(environ, start_response)
