"""Commands that enable products for accounts and switch them on for services."""

from products.enablement.commands.account import Agreement, disable, enable
from products.enablement.commands.packages import assign_package, remove_package
from products.enablement.commands.prices import change_price
from products.enablement.commands.requests import (
    answer_request,
    decline_request,
    request_product,
    withdraw_request,
)
from products.enablement.commands.service import (
    configure_for_service,
    disable_for_service,
    enable_for_service,
)
from products.enablement.commands.trials import check_trials, end_trial, start_trial

__all__ = [
    "Agreement",
    "answer_request",
    "assign_package",
    "change_price",
    "check_trials",
    "configure_for_service",
    "decline_request",
    "disable",
    "disable_for_service",
    "enable",
    "enable_for_service",
    "end_trial",
    "remove_package",
    "request_product",
    "start_trial",
    "withdraw_request",
]
