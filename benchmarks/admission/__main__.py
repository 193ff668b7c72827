"""Our admission beside the field's AIMD limiter and none at all, in a simulated replica: good answers by load.

    python -m benchmarks.admission [--constants]

Behind HAProxy's queue, and without it, as for gRPC and on a cluster that was attached to. Good are answers in time, in
shares of the requests that the replica can answer; over 1 where small ones get in and large ones do not. Exits with 1
when a bound is missed. With `--constants` it says instead what each constant of our admission is worth: the same runs
with it halved and doubled.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import mean, median
from typing import TypeAlias

from benchmarks.admission.limiters import Aimd, Kind, Limiter, Open, Windvane
from benchmarks.admission.replica import Replica, Workload
from windvane.serve_apps.pipeline import admission

SEEDS = (1, 2, 3, 4, 5)  # of what `--constants` tells: one alone moves by some hundredths
WARM = 0.2  # share of a run that is not measured
RUNS = ((0.7, False), (1.0, False), (2.0, False), (5.0, False), (1.0, True), (2.0, True))  # load, whether it is slowed
SMALL = Workload("1 row, 50 ms", (Kind(1, 0.05),), 4.0)
LARGE = Workload("1,000 rows, 800 ms", (Kind(1000, 0.8),), 40.0)
HUGE = Workload("10,000 rows, 800 ms", (Kind(10_000, 0.8),), 200.0)
MIXED = Workload("19 of 1 row and one of 1,000, 400 ms", (Kind(1, 0.4), Kind(1000, 0.4)), 12.0, 0.05)
PATIENT = Workload("19 of 1 row, 100 ms, and one of 1,000, 2 s", (Kind(1, 0.1), Kind(1000, 2.0)), 12.0, 0.05)
WORKLOADS = (SMALL, LARGE, HUGE, MIXED, PATIENT)
LIMITERS: dict[str, Callable[[Workload, Replica], Limiter]] = {
    "none": lambda *_: Open(),
    "AIMD": lambda *_: Aimd(),
    "ours": lambda workload, replica: Windvane(workload.kinds[0].slo, lambda: replica.cpu),
}
# What ours has to reach: good answers at these loads, each within its time at the 99th percentile.
BOUNDS = {
    (False, LARGE): ((1.0, 0.95), (2.0, 0.95), (5.0, 0.9)),
    (False, HUGE): ((1.0, 0.9), (2.0, 0.95), (5.0, 0.95)),
    (False, MIXED): ((1.0, 0.9), (2.0, 0.9)),
    (True, SMALL): ((1.0, 0.95), (2.0, 0.95), (5.0, 0.95)),
    (True, LARGE): ((1.0, 0.95), (2.0, 0.95), (5.0, 0.95)),
    (True, HUGE): ((1.0, 0.9), (2.0, 0.95), (5.0, 0.95)),
    (True, MIXED): ((1.0, 0.95), (2.0, 0.95), (5.0, 0.95)),
}


@dataclass(frozen=True, slots=True)
class Result:
    """Good answers, and the 99th percentile of how long answers took, in shares of their SLO."""

    good: float
    p99: float


Results: TypeAlias = dict[tuple[bool, Workload, str, float, bool], Result]


def simulate(limiter: str, workload: Workload, load: float, is_slowed: bool, has_front: bool, seed: int = 1) -> Result:
    """One run, without its warm-up."""
    replica = Replica(workload, is_slowed, has_front, random.Random(seed))
    replica.run(LIMITERS[limiter](workload, replica), load)
    begin = WARM * workload.seconds
    took = sorted(took / kind.slo for at, took, kind in replica.answers if at >= begin)
    good = sum(share <= 1.0 for share in took)
    return Result(good * workload.request_seconds / (replica.now - begin), took[int(0.99 * len(took))])


def table(results: Results, has_front: bool) -> Iterator[str]:
    """Markdown: good answers, and p99 in shares of the SLO."""
    heads = [f"{load:g} x{', halved' if is_slowed else ''}" for load, is_slowed in RUNS]
    yield f"| {'behind HAProxy' if has_front else 'without HAProxy'} | limiter | {' | '.join(heads)} |"
    yield f"|{'---|' * (2 + len(RUNS))}"
    for workload in WORKLOADS:
        for limiter in LIMITERS:
            found = [results[has_front, workload, limiter, *run] for run in RUNS]
            cells = [f"{each.good:.2f}, {each.p99:.{0 if each.p99 >= 10.0 else 2}f}" for each in found]
            yield f"| {workload.name} | {limiter} | {' | '.join(cells)} |"


def missed(results: Results) -> Iterator[str]:
    """A sentence for every bound that ours misses."""
    for (has_front, workload), bounds in BOUNDS.items():
        for load, least in bounds:
            found = results[has_front, workload, "ours", load, False]
            if found.good < least or found.p99 > 1.0:
                where = "behind HAProxy" if has_front else "without HAProxy"
                yield f"{workload.name}, {where}, {load:g} x: {found.good:.2f} of {least:g}, p99 {found.p99:.2f} SLO"


def constants() -> Iterator[str]:
    """Markdown: mean of good answers and median of p99, without HAProxy, with each constant halved and doubled."""
    yield "| constant | is | halved | doubled |"
    yield "|---|---|---|---|"
    yield f"| all as they are | | {_ours()} | |"
    for name, value in [(name, value) for name, value in vars(admission).items() if name.isupper()]:
        cells = []
        for factor in (0.5, 2.0):
            setattr(admission, name, factor * value)
            cells.append(_ours())
        setattr(admission, name, value)
        yield f"| `{name}` | {value:g} | {' | '.join(cells)} |"


def _ours() -> str:
    runs = [(workload, *run) for workload in (LARGE, HUGE, MIXED) for run in RUNS if run[0] in (1.0, 2.0)]
    found = [simulate("ours", *run, has_front=False, seed=seed) for seed in SEEDS for run in runs]
    return f"{mean(each.good for each in found):.2f}, {median(each.p99 for each in found):.2f}"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--constants", action="store_true")
    if parser.parse_args().constants:
        sys.stdout.writelines(f"{line}\n" for line in constants())
        return 0
    results = {
        (has_front, workload, limiter, *run): simulate(limiter, workload, *run, has_front)
        for has_front in (False, True)
        for workload in WORKLOADS
        for limiter in LIMITERS
        for run in RUNS
    }
    for has_front in (False, True):
        sys.stdout.write("\n".join(table(results, has_front)) + "\n\n")
    misses = list(missed(results))
    sys.stdout.writelines(f"missed: {each}\n" for each in misses)
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
