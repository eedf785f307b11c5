"""Decisions per second, warm and cold, beside django-guardian's own `has_perm` in the same run."""

import time
from collections.abc import Callable

from guardian.core import ObjectPermissionChecker

from accounts.models import User
from products.deploy.decision import decide_deployment, evaluate, facts_of
from products.enablement.commands import enable_for_service
from products.services.models import Version
from tests.factories import NOW
from tests.factories.world import build_world

SECONDS = 2.0
ROUNDS = 3


def rate(work: Callable[[], object]) -> float:
    """Return how often something can be done per second."""
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < SECONDS:
        for _ in range(20):
            work()
        count += 20
    return count / spent


def slowest(work: Callable[[], object], times: int = 20_000) -> float:
    """Return the 99th percentile in microseconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter_ns()
        work()
        taken.append(time.perf_counter_ns() - began)
    return sorted(taken)[int(times * 0.99)] / 1000


def run() -> list[str]:
    """Measure in turns; return medians and ratios as lines to print."""
    world = build_world()
    eve = world.people["inside"]
    enable_for_service(eve, service=world.shop, product=world.websockets, now=NOW)
    version = Version.objects.select_related("service__account").get(pk=world.draft.pk)
    facts = facts_of(eve, version=version)
    user = User.objects.get(pk=eve.user_id)
    remembering = ObjectPermissionChecker(user)
    remembering.prefetch_perms([world.shop])
    works: dict[str, Callable[[], object]] = {
        "decision, warm": lambda: evaluate(facts),
        "guardian, warm": lambda: remembering.has_perm("access_full", world.shop),
        "decision, cold": lambda: decide_deployment(eve, version=version),
        "guardian, cold": lambda: ObjectPermissionChecker(user).has_perm(
            "access_full", world.shop
        ),
    }
    rounds = [{name: rate(work) for name, work in works.items()} for _ in range(ROUNDS)]
    median = {name: sorted(r[name] for r in rounds)[ROUNDS // 2] for name in works}
    lines = [f"{name:16} {value:12,.0f} per second" for name, value in median.items()]
    for kind in ("warm", "cold"):
        ratio = median[f"decision, {kind}"] / median[f"guardian, {kind}"]
        lines.append(
            f"{kind}: {ratio:.2f} of guardian's one check, with all eight checks"
        )
    lines.append(f"decision, warm, p99: {slowest(works['decision, warm']):.0f} µs")
    return lines
