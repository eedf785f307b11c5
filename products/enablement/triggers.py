"""The triggers that keep what an account agreed to (R5)."""

from typing import Final

from accounts.triggers import GuardRule, guard, unequal

_AGREED = (
    *("id", "account_id", "product_id", "plan_id", "price_version_id"),
    *("started_by", "agreed_record", "agreed_record_hash"),
    *("agreed_text", "agreed_text_hash", "agreed_locale"),
)
ENABLEMENTS: Final = guard(
    "enablement_enablement",
    GuardRule(
        "enablements: what was agreed to is not changed",
        update=unequal(_AGREED),
        delete="OLD.agreed_text_hash <> ''",
    ),
)
