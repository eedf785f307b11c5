"""`python -m bench.edge [ROUNDS]`: the embedded engine, HAProxy and nginx in one run.

The engine under test has one core, origin and load generator the other. In every round
each measure visits every engine before the next begins; medians are shown.
"""

import contextlib
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

from bench.edge.programs import Load, compiled, on_core, require, start_origin
from bench.edge.targets import Target, embedded, haproxy, nginx
from bench.edge.verdict import WANTED

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

Figures = dict[tuple[str, str], list[float]]


def main() -> None:
    """Run the rounds and print medians, ratios and marks."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else 3
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
    _print(figures, rounds)
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
    """Give the memory that each of many idle connections takes, in KiB."""
    Load(load, "hold", target.port, 200).run()  # what the first ones bring along
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


def _print(figures: Figures, rounds: int) -> None:
    middle = {key: median(values) for key, values in figures.items()}
    _say(f"medians of {rounds} rounds; target on one core, origin and load on another")
    _say(f"{'':24}" + "".join(f"{name:>12}" for name in ENGINES) + "    embedded is")
    for name, wanted in WANTED.items():
        row = [middle[engine, name] for engine in ENGINES]
        ratio = row[0] / row[1] if row[1] else 0.0
        mark = wanted.mark(ratio if wanted.is_ratio else row[0])
        says = f"{ratio:.2f} of HAProxy, " if wanted.is_ratio else ""
        bounds = f"must {wanted.must:g}, good {wanted.good:g}"
        _say(f"{name:24}" + "".join(map(_shown, row)) + f"    {says}{mark} ({bounds})")
    _say(
        f"{'added p50 ms':24}"
        + "".join(_shown(middle[e, "added p50 ms"]) for e in ENGINES)
    )
    _say("CPU of the engine, µs for one")
    for measure in MEASURES:
        name = f"CPU µs: {measure[0]}"
        row = [middle[engine, name] for engine in ENGINES]
        what = measure[0].replace("/s", "").replace("bulk MB", "MB of bulk")
        _say(
            f"  {what:22}"
            + "".join(map(_shown, row))
            + f"    by CPU alone {row[1] / row[0]:.2f} of HAProxy's rate"
        )
    _say(
        f"direct to the origin: p50 {middle['direct', 'p50 ms']:.3f} ms,"
        f" p99 {middle['direct', 'p99 ms']:.3f} ms at 2,000 messages a second"
    )


def _shown(figure: float) -> str:
    return f"{figure:12,.0f}" if abs(figure) >= 100 else f"{figure:12.2f}"


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
