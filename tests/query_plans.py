"""Which indexes queries use."""

from typing import Any

from django.db import connection
from django.db.models import QuerySet

PLANNER_SETTINGS = {
    "sqlite": "SELECT 1",
    # A plan that sorts although sorting is off has no index in this order.
    "postgresql": "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; "
    "SET LOCAL enable_sort = off;",
}


def explained(rows: "QuerySet[Any]") -> str:
    """Return the query plan; the settings make PostgreSQL plan a small table like a large one."""
    with connection.cursor() as cursor:
        cursor.execute(PLANNER_SETTINGS[connection.vendor])
    return rows.explain()
