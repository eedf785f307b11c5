"""The schedule of Celery beat: every task with its interval in seconds."""

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "make-notices": {"task": "accounts.tasks.make_notices", "schedule": 5.0},
    "send-mail": {"task": "accounts.tasks.send_mail", "schedule": 5.0},
    "check-tokens": {"task": "accounts.tasks.check_tokens", "schedule": 600.0},
    "delete-old-responses": {
        "task": "accounts.tasks.delete_old_responses",
        "schedule": 3600.0,
    },
    "apply-retention": {
        "task": "accounts.tasks.apply_retention",
        "schedule": 3600.0,
    },
    "delete-old-usage": {
        "task": "products.metering.tasks.delete_old_usage",
        "schedule": 86400.0,
    },
    "sweep-domain-claims": {
        "task": "products.domains.tasks.sweep_claims",
        "schedule": 60.0,
    },
    "deliver-webhooks": {
        "task": "products.webhooks.tasks.deliver",
        "schedule": 2.0,
    },
    "remove-old-deliveries": {
        "task": "products.webhooks.tasks.remove_old",
        "schedule": 3600.0,
    },
    "check-edges": {
        "task": "products.metering.tasks.check_edges",
        "schedule": 30.0,
    },
    "presume-closed": {
        "task": "products.metering.tasks.presume_closed",
        "schedule": 30.0,
    },
    "rebuild-usage": {
        "task": "products.metering.tasks.rebuild_usage",
        "schedule": 600.0,
    },
    "check-trials": {
        "task": "products.enablement.tasks.check_trials",
        "schedule": 60.0,
    },
    "refresh-bills": {
        "task": "products.billing.tasks.refresh_bills",
        "schedule": 600.0,
    },
    "close-months": {
        "task": "products.billing.tasks.close_months",
        "schedule": 3600.0,
    },
}
