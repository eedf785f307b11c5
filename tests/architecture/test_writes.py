"""Rows are written in commands, inside `recorded_change`.

These tests read the code; `test_recorded_changes.py` runs every command. Import contracts and lint
say that commands alone import `recorded_change` and that it alone opens transactions.
"""

import ast
from collections.abc import Iterator

from tests.architecture.attempts import ATTEMPTS
from tests.architecture.source import PRODUCT, Function, modules

# Methods of Django and guardian that write rows. Dictionaries are merged with `|`, not `update`.
WRITES = frozenset(
    {
        "assign_perm",
        "bulk_create",
        "bulk_update",
        "create",
        "create_superuser",
        "create_user",
        "delete",
        "execute",
        "executemany",
        "get_or_create",
        "remove_perm",
        "save",
        "update",
        "update_or_create",
    }
)
# How many calls in other modules write, and why those are not changes of an account's state.
WRITES_ELSEWHERE = {
    "accounts.audit.reader": (4, "how far a reader of the trail has read"),
    "accounts.audit.record": (7, "appends to the trail, for recorded_change"),
    "portal.secret_ids": (1, "the ids of the secrets, when a program starts"),
    "accounts.triggers": (8, "installs triggers"),
    "products.catalogue.triggers": (3, "installs a constraint of PostgreSQL"),
    "accounts.reauthentication": (1, "allauth's form stores it in the session"),
    "accounts.prepared": (2, "runs the reads that it has composed, discards plans"),
    "accounts.trail_search": (1, "reads addresses with hand-written SQL"),
    "accounts.optional_write": (2, "when something was last seen; may be left out"),
    "accounts.web.own_login": (1, "allauth's form sets the first password"),
    "accounts.web.session_limits": (1, "when a session was last used"),
    "accounts.models": (1, "Django's manager creates users for tests"),
    "accounts.change": (1, "moves routes_revision with the entries"),
    "portal.backup": (2, "signs everyone out after a restore"),
    "portal.database_copy": (16, "copies and replaces the whole database"),
    "portal.settings": (1, "merges a dictionary of settings"),
    "portal.tracing": (1, "names this program to OpenTelemetry"),
    "products.api.stats": (6, "adds up counters"),
    "products.metering.queries.stats": (
        2,
        "adds up counters, and reads with hand-written SQL",
    ),
    "products.metering.queries.usage": (2, "begins and ends a transaction of reads"),
}
# Public functions of commands that write outside `recorded_change`, and why.
OLD = "a sweep deletes what the settings keep no longer"
STEP = "a step of commands, called inside recorded_change"
RESPONSE = "a kept response is not the state of an account"
USAGE = "usage is what edges report, not what people change"
DELIVERY = "the delivery of messages, and its log"
WRITES_OUTSIDE = {
    "accounts.commands.kept_responses.claim_or_find": RESPONSE,
    "accounts.commands.kept_responses.delete_old_responses": RESPONSE,
    "accounts.commands.kept_responses.keep_response": RESPONSE,
    "accounts.commands.kept_responses.release": RESPONSE,
    "accounts.commands.mail.queue_mail": STEP,
    "accounts.commands.encryption.encrypt_again": "the secrets stay the same",
    "accounts.commands.notices.mark_read": "what a person has read",
    "accounts.commands.invitations.offer_membership": STEP,
    "accounts.commands.members.withdraw_invitations": STEP,
    "accounts.commands.retention.apply_retention": OLD,
    "accounts.commands.service_access.remove_access": STEP,
    "accounts.commands.service_access.set_access": STEP,
    "accounts.commands.users.add_user": STEP,
    "products.billing.commands.credits.add_credit": STEP,
    "products.billing.commands.lines.next_number": STEP,
    "products.billing.commands.lines.write_bill": STEP,
    "products.catalogue.commands.write_price": STEP,
    "products.enablement.commands.enablements.block_ended_trial": STEP,
    "products.enablement.commands.enablements.block_for_budget": STEP,
    "products.enablement.commands.enablements.close_enablement": STEP,
    "products.enablement.commands.enablements.open_enablement": STEP,
    "products.enablement.commands.enablements.unblock_for_budget": STEP,
    "products.metering.commands.disputes.save_disputes": "extends an open dispute",
    "products.metering.commands.edges.ingest_epoch": "the first report creates it",
    "products.metering.commands.merge_sql.merge_connections": USAGE,
    "products.metering.commands.merge_sql.merge_delivery": USAGE,
    "products.metering.commands.periods.keep_bounds": USAGE,
    "products.metering.commands.periods.mark_stale": USAGE,
    "products.billing.commands.uninvoiced.mark_uninvoiced": "a month that waits for an invoice, read by staff",
    "products.billing.commands.uninvoiced.unmark_uninvoiced": "its mark ends",
    "products.metering.commands.plausibility.save_carried": "what an edge was given",
    "products.metering.commands.retention.delete_old_voided": OLD,
    "products.metering.commands.retention.delete_records": OLD,
    "products.services.commands.dynamic_snippets.set_content": STEP,
    "products.webhooks.commands.webhooks.encrypt_secrets_again": "the secrets stay the same",
    "products.services.commands.locking.bump_revision": STEP,
    "products.webhooks.commands.deliveries.deliver_due": DELIVERY,
    "products.webhooks.commands.deliveries.remove_old_deliveries": DELIVERY,
}
# A person who joins is not an actor yet: the invitation is their permission.
WITHOUT_ACTOR = {"accounts.commands.invitations.accept_invitation"}


def name_of(node: ast.AST) -> str:
    """Return the last part of what is called: `append` for `trail.entries.append(…)`."""
    if not isinstance(node, ast.Call):
        return ""
    called = node.func
    if isinstance(called, ast.Name):
        return called.id
    return called.attr if isinstance(called, ast.Attribute) else ""


def writes_in(node: ast.AST) -> Iterator[str]:
    """Yield the calls that write outside a `with recorded_change(…)`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.With) and any(
            name_of(item.context_expr) == "recorded_change" for item in child.items
        ):
            continue
        if name_of(child) in WRITES:
            yield name_of(child)
        yield from writes_in(child)


def public_functions() -> dict[str, Function]:
    """Return the public functions of all command modules, by their dotted names."""
    return {
        f"{module.name}.{node.name}": node
        for module in modules(*PRODUCT)
        if module.is_command
        for node in module.tree.body
        if isinstance(node, Function) and not node.name.startswith("_")
    }


def arguments_of(function: Function) -> list[str]:
    return [argument.arg for argument in function.args.args]


def test_rows_are_written_in_commands_and_a_few_named_modules():
    found = {
        module.name: len(list(writes_in(module.tree)))
        for module in modules(*PRODUCT)
        # The edge has no rows: an import contract keeps Django out of it.
        if not module.is_command and not module.name.startswith("products.edge.")
    }

    assert {name: count for name, count in found.items() if count} == {
        name: count for name, (count, _) in WRITES_ELSEWHERE.items()
    }


def test_public_functions_of_commands_write_inside_recorded_change():
    outside = {
        name
        for name, function in public_functions().items()
        if list(writes_in(function))
    }

    assert outside == set(WRITES_OUTSIDE)


def test_a_write_outside_recorded_change_is_found():
    source = "def rename(actor):\n  with recorded_change(actor): a.save()\n  b.save()\n"

    assert list(writes_in(ast.parse(source))) == ["save"]


def test_every_command_is_attempted():
    commands = {
        name
        for name, function in public_functions().items()
        if arguments_of(function)[:1] == ["actor"]
    }

    assert commands == set(ATTEMPTS)


def test_a_command_takes_the_actor_and_everything_else_by_keyword():
    wrong = {
        name
        for name, function in public_functions().items()
        if any(name_of(node) == "recorded_change" for node in ast.walk(function))
        and arguments_of(function) != ["actor"]
    }

    assert wrong == WITHOUT_ACTOR


def test_recorded_changes_take_the_time_of_their_entries():
    wrong = {
        f"{module.name}:{line}"
        for module in modules(*PRODUCT)
        for line in own_times_in(module.tree)
    }

    assert wrong == set()


def test_another_time_within_a_recorded_change_is_found():
    source = "with recorded_change(actor, now=now) as trail:\n  a.at = trail.now\n  b.at = now\n"

    assert list(own_times_in(ast.parse(source))) == [3]


def own_times_in(tree: ast.AST) -> Iterator[int]:
    """Yield the lines within recorded changes that read `now` instead of `trail.now`."""
    changes = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        and any(name_of(item.context_expr) == "recorded_change" for item in node.items)
    )
    yield from (
        node.lineno
        for change in changes
        for line in change.body
        for node in ast.walk(line)
        if isinstance(node, ast.Name) and node.id == "now"
    )
