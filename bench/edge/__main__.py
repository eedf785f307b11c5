"""`python -m bench.edge [ROUNDS]`: compare the embedded engine with HAProxy and nginx.

The engine under test has one core; origin and load generator have the other. In every round
each measure runs on every engine before the next begins.
"""

import argparse
import contextlib
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bench.edge.programs import Load, compiled, on_core, require, start_origin
from bench.edge.report import Figures, lines_of
from bench.edge.targets import Target, embedded, haproxy, nginx

ENGINES = {"embedded": embedded, "haproxy": haproxy, "nginx": nginx}
IDLE = 5_000
# name, mode of the load generator, connections, seconds, operations in the unit shown
MEASURES = (
    ("handshakes/s", "handshakes", 64, 1.5, 1),
    ("echo/s, 64", "echo", 64, 1.0, 1),
    ("echo/s, 256", "echo", 256, 1.0, 1),
    ("bulk MB/s", "bulk", 4, 1.0, 1_000_000),
)
_CALM_SECONDS = 5.0


def main() -> None:
    """Run the rounds and print the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.edge", description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=3, help="default: 3")
    rounds = parser.parse_args().rounds
    target_core, load_core = _two_cores()
    for program, package in (
        ("gcc", "gcc"),
        ("haproxy", "haproxy"),
        ("nginx", "nginx-light"),
    ):
        require(program, package)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    began, load_before = time.monotonic(), os.getloadavg()[0]
    figures: Figures = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as name:
        folder = Path(name)
        os.sched_setaffinity(0, {load_core})
        load, echoer = compiled("load", folder), compiled("origin", folder)
        for number in range(rounds):
            origin, port = start_origin(echoer)
            try:
                _round(folder / str(number), number, port, (target_core, load), figures)
            finally:
                origin.kill()
                origin.wait()
    for line in lines_of(figures, list(ENGINES), [each[0] for each in MEASURES]):
        _say(line)
    _say(
        f"{rounds} rounds in {time.monotonic() - began:.0f} s; load average of the machine"
        f" {load_before:.1f} before, {os.getloadavg()[0]:.1f} after"
    )


def _two_cores() -> tuple[int, int]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("Two cores are needed: one for the engine, one for the load.")
    return cores[0], cores[1]


def _round(
    folder: Path, number: int, origin: int, where: tuple[int, str], figures: Figures
) -> None:
    core, load = where
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        targets = []
        for name, start in ENGINES.items():
            with on_core(core):
                target = stack.enter_context(start(folder / name, origin))
            targets.append(target)
        turned = targets[number % 3 :] + targets[: number % 3]
        for target in turned:
            figures[target.name, "KiB an idle connection"].append(_idle(load, target))
        for measure in MEASURES:
            for target in turned:
                _measure(load, target, measure, figures)
        direct = Load(load, "latency", origin, 64, 1.5).run()
        figures["direct", "p50 ms"].append(direct.p50_us / 1000)
        figures["direct", "p99 ms"].append(direct.p99_us / 1000)
        for target in turned:
            result = Load(load, "latency", target.port, 64, 1.5).run()
            _no_errors(target, "latency", result.errors)
            for part, there, here in (
                ("p50", result.p50_us, direct.p50_us),
                ("p99", result.p99_us, direct.p99_us),
            ):
                figures[target.name, f"added {part} ms"].append((there - here) / 1000)


def _idle(load: str, target: Target) -> float:
    """Return the KiB that one of many idle connections takes."""
    Load(load, "hold", target.port, 200).run()  # memory that only the first ones need
    _calm(target)
    before = target.memory_kib()
    held = Load(load, "hold", target.port, IDLE)
    _calm(target)
    after = target.memory_kib()
    held.run()
    _calm(target)
    return (after - before) / IDLE


def _calm(target: Target) -> None:
    """Wait until an engine has little left to do."""
    until = time.monotonic() + _CALM_SECONDS
    spent = target.cpu_seconds()
    while time.monotonic() < until:
        time.sleep(0.3)
        before, spent = spent, target.cpu_seconds()
        if spent - before < 0.03:
            return


def _measure(
    load: str,
    target: Target,
    measure: tuple[str, str, int, float, int],
    figures: Figures,
) -> None:
    name, mode, connections, seconds, unit = measure
    run = Load(load, mode, target.port, connections, seconds)
    before = target.cpu_seconds()
    result = run.run()
    spent = target.cpu_seconds() - before
    _no_errors(target, name, result.errors)
    figures[target.name, name].append(result.rate / unit)
    figures[target.name, f"CPU µs: {name}"].append(
        spent * 1e6 * unit / result.operations
    )
    _calm(target)


def _no_errors(target: Target, name: str, errors: int) -> None:
    if errors:
        _say(f"!! {target.name}: {errors} errors in {name}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
