"""The rules, the rating and the edge's modules load no framework."""

import subprocess
import sys

MODULES = (
    "products.billing.rating",
    "products.catalogue.money",
    "products.compatibility.rules",
    "products.edge.tls",
    "products.metering.minutes",
    "products.instants",
    "products.months",
    "products.services.lifecycle",
)


def test_the_pure_modules_load_neither_django_nor_other_layers():
    script = f"import sys, {', '.join(MODULES)}; print(*sorted(sys.modules))"

    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()

    assert {"django", "rest_framework", "celery", "accounts", "portal"}.isdisjoint(
        loaded
    )
    assert set(MODULES) <= set(loaded)
