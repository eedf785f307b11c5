"""Rows are written in commands alone, and there behind the one door: proved over the syntax tree."""

import ast

from django.apps import apps

from tests.architecture.source import PRODUCT, modules
from tests.architecture.write_paths import (
    Steps,
    behind_no_door,
    called_name,
    functions_of,
    names_in,
    steps_of,
    writes_of,
)

# Where else rows are written, how many times, and why that is no change of anybody's state.
ELSEWHERE = {
    "accounts.audit.record": (4, "appends to the trail; the door alone may import it"),
    "accounts.audit.triggers": (8, "lays the trail's triggers, no rows"),
    "accounts.authentication": (1, "when a token was last used, at most once a minute"),
    "accounts.models": (2, "Django's own manager makes people for `createsuperuser`"),
    "accounts.change": (1, "moves routes_revision with the entries"),
    "products.services.describe": (
        1,
        "reads the parts of versions with hand-written SQL",
    ),
    "portal.settings": (1, "merges a dictionary of settings"),
    "products.metering.queries.usage": (2, "begins and ends a transaction of reads"),
}
# Public functions of commands that write without opening the door themselves. Whoever calls one
# stands behind the door, or the reason says why there is none.
BELOW_THE_DOOR = {
    "accounts.commands.service_access.remove_access",
    "accounts.commands.service_access.set_access",
    "accounts.commands.mail.queue_mail",
    "accounts.commands.users.add_person",
    "products.catalogue.commands.write_price",
    "products.enablement.commands.enablements.close_enablement",
    "products.enablement.commands.enablements.open_enablement",
    "products.services.commands.locking.bump_revision",
}
WITHOUT_A_DOOR = {
    "products.metering.commands.disputes.save_disputes": "reports of an open dispute extend it",
    "products.metering.commands.edges.note_report": "when an edge was last seen",
    "products.metering.commands.edges.note_status": "the status that an edge reports",
    "products.metering.commands.edges.ingest_epoch": "the first report creates it",
    "products.metering.commands.ingest.ingest": "usage is what machines count, not what people change",
    "products.metering.commands.merge_sql.merge_connections": "as above",
    "products.metering.commands.merge_sql.merge_delivery": "as above",
    "products.metering.commands.periods.mark_stale": "periods are derived from usage records",
    "products.metering.commands.periods.rebuild_stale_periods": "as above",
    "products.metering.commands.periods.rebuild_usage": "as above",
    "products.metering.commands.periods.presume_closed": "a later report opens the connection again",
    "accounts.commands.mail.send_due_mail": "what becomes of a mail is no state of an account",
    "accounts.commands.sign_in.set_password": "a password is the person's, who may be in no account",
}


def relations() -> frozenset[str]:
    """Return the names under which models reach many others, and would add to them."""
    return frozenset(
        name
        for model in apps.get_models()
        for related in (*model._meta.related_objects, *model._meta.many_to_many)
        if related.one_to_many or related.many_to_many
        for name in [
            related.get_accessor_name()
            if hasattr(related, "get_accessor_name")
            else related.name
        ]
        if name
    )


def command_steps() -> dict[str, Steps]:
    many = relations()
    return {
        f"{module.name}.{function.name}": steps_of(function, names_in(module), many)
        for module in modules(*PRODUCT)
        if module.is_command
        for function in functions_of(module)
    }


def public(name: str) -> bool:
    return not name.rpartition(".")[2].startswith("_")


def test_rows_are_written_in_commands_and_a_few_named_places():
    many = relations()
    # The edge is plain Python, which the import contracts hold: it has no rows to write.
    found = {
        module.name: len(list(writes_of(module.tree, many)))
        for module in modules(*PRODUCT)
        if not module.is_command and not module.name.startswith("products.edge.")
    }

    assert {name: count for name, count in found.items() if count} == {
        name: count for name, (count, _) in ELSEWHERE.items()
    }


def test_no_write_in_a_command_stands_outside_the_door():
    bare = behind_no_door(command_steps())

    assert {name for name in bare if public(name)} == BELOW_THE_DOOR | set(
        WITHOUT_A_DOOR
    )


def test_what_is_below_the_door_is_called_from_commands_alone():
    used = {
        f"{module.name} → {target}"
        for module in modules(*PRODUCT)
        if not module.is_command
        for function in functions_of(module)
        for target in steps_of(function, names_in(module), frozenset()).calls
        if target in BELOW_THE_DOOR
    }

    assert used == set()


def test_every_door_names_a_permission_and_its_body_notes_what_happened():
    careless = [
        f"{name}:{door.lineno}"
        for name, steps in command_steps().items()
        for door in steps.doors
        if not _asks(door) or not _notes(door)
    ]

    assert careless == []


def test_the_door_is_opened_in_commands_alone():
    openers = {
        module.name
        for module in modules(*PRODUCT)
        if not module.is_command and module.name != "accounts.change"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and called_name(node) in {"recorded_change", "record_refusal"}
    }

    assert openers == set()


def test_the_door_alone_opens_transactions():
    openers = {
        module.name
        for module in modules(*PRODUCT)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in {"atomic", "on_commit"}
    }

    # Usage reports are merged, disputes are extended and silent connections are marked. None of
    # this is a change that a person makes.
    assert openers == {
        "accounts.change",
        "products.metering.commands.disputes",
        "products.metering.commands.ingest",
        "products.metering.commands.periods",
    }


def test_a_public_command_takes_the_actor_first_and_the_rest_by_keyword():
    wrong = [
        f"{module.name}.{function.name}"
        for module in modules(*PRODUCT)
        if module.is_command
        for function in functions_of(module)
        if any(
            called_name(call) == "recorded_change"
            for call in ast.walk(function)
            if isinstance(call, ast.Call)
        )
        and not function.name.startswith("_")
        and (
            [argument.arg for argument in function.args.args] != ["actor"]
            or "now" not in [argument.arg for argument in function.args.kwonlyargs]
        )
    ]

    # Whoever joins is no actor yet: the invitation is their right, and a context stands in.
    assert wrong == ["accounts.commands.invitations.accept_invitation"]


def test_a_write_outside_the_door_would_be_seen():
    source = ast.parse(
        "def rename(actor, *, account, name, now):\n"
        "    account.name = name\n"
        "    account.save()\n"
        "def shown(actor):\n"
        "    rename(actor, account=None, name='', now=None)\n"
    )
    names = {"rename": "m.rename", "shown": "m.shown"}
    steps = {
        f"m.{function.name}": steps_of(function, names, frozenset())
        for function in source.body
        if isinstance(function, ast.FunctionDef)
    }

    assert behind_no_door(steps) == {"m.rename", "m.shown"}


def _asks(door: ast.With) -> bool:
    call = door.items[0].context_expr
    assert isinstance(call, ast.Call)
    wanted = call.args[1]
    named = isinstance(wanted, ast.Attribute) and "Permission" in ast.unparse(wanted)
    # revoke_token asks for one of two permissions, by whose token it is.
    return named or (isinstance(wanted, ast.Name) and wanted.id == "permission")


def _notes(door: ast.With) -> bool:
    """Tell whether a body notes an event itself, or hands its trail on."""
    return any(
        isinstance(node, ast.Name) and node.id == "trail"
        for statement in door.body
        for node in ast.walk(statement)
    )
