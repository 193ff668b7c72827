"""`make bench` and `make bench-quick`: every server on the same model and the same load, one at a time.

    python -m benchmarks [--quick] [--rounds 3] [--only NAME …]

The figures of a table are medians of the rounds, and ratios medians of the rounds' ratios.
"""

import argparse
import signal
import statistics
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime

import uvloop

from benchmarks import bounds, budget, lineup, results, table
from benchmarks.lineup import Absent, Entry, Progress, Turn
from benchmarks.measure import Figure, Span, Wrong, measure, median, open_session, plain_rows_per_second
from benchmarks.model import PERSONAL, bundle

ROUNDS = 3


def main() -> None:
    """Measure, print the tables, write the file; ends with 1 when a server answered wrongly or a bound was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="floor, fastest peer, Ray hello and Windvane, once")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}, or 1 with --quick")
    parser.add_argument("--only", nargs="+", choices=list(table.LABELS), help="measure these alone")
    order = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every block ends what it started
    began, start = datetime.now(UTC), time.monotonic()
    machine = results.this_machine()

    def say(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - start:7.0f} s  {line}\n")

    names = set(order.only or (lineup.QUICK if order.quick else table.LABELS))
    span = Span()
    session = open_session(bundle())
    plain: list[float | None] = []
    rounds: list[dict[str, list[Figure]]] = []
    absent: dict[str, str] = {}

    def act(entry: Entry) -> list[Figure]:
        if entry.name == bounds.BINARY_256:
            plain[-1] = plain_rows_per_second(session)  # before: afterwards control has much to seal
        return measure(entry, session, span, say)

    try:
        for number in range(1, (order.rounds or (1 if order.quick else ROUNDS)) + 1):
            say(f"round {number}")
            plain.append(None)
            found, missing = one_round(lineup.everyone(names.__contains__, say), act, say)
            rounds.append(found)
            absent |= missing
    except Wrong as error:
        sys.exit(f"The run is void: {error}")
    except KeyboardInterrupt:
        sys.exit("Interrupted; what was started is ended.")
    medians = of_all(rounds)
    peer = bounds.fastest_peer(medians)
    measured = [each for each in plain if each is not None]
    rows = statistics.median(measured) if measured else None
    judged = bounds.judge(rounds, plain, peer)
    sys.stdout.write("\n" + table.render(medians, rounds, absent, judged, rows, peer))
    whole = names == set(table.LABELS)
    steps = uvloop.run(budget.measure(explain=False, personal=PERSONAL)) if whole else {}
    if steps:
        sys.stdout.write(f"\nwhat governing a decision about a person costs, step by step\n{budget.table(steps)}\n")
    run = results.Run(
        "bench" if whole else "quick" if names == set(lineup.QUICK) else "part",
        began.isoformat(timespec="seconds"),
        round(time.monotonic() - start, 1),
        results.commit(),
        machine,
        results.versions(),
        results.peer_versions(),
        span,
        rounds,
        absent,
        rows,
        judged,
        {f"{requests} x {count}": found for (requests, count), found in steps.items()},
    )
    sys.stdout.write(f"\nwritten to {results.write(run)}\n{bounds.verdict(judged)}\n")
    sys.exit(1 if any(bound.verdict == "MISS" for bound in judged) else 0)


def of_all(rounds: Sequence[Mapping[str, Sequence[Figure]]]) -> dict[str, list[Figure]]:
    """The medians over the rounds in which a server was measured."""
    names = {name for found in rounds for name in found}
    measured = {name: [found[name] for found in rounds if name in found] for name in names}
    return {name: [median(same) for same in zip(*each, strict=True)] for name, each in measured.items()}


def one_round(
    turns: Generator[Turn, None, None], act: Callable[..., list[Figure]], say: Progress
) -> tuple[dict[str, list[Figure]], dict[str, str]]:
    """Figures by server, and the reasons of those that are absent; closes the last server whatever happens."""
    found: dict[str, list[Figure]] = {}
    absent: dict[str, str] = {}
    with closing(turns):
        for turn in turns:
            if isinstance(turn, Absent):
                say(f"{turn.name}: {turn.why}")
                absent[turn.name] = turn.why
            else:
                found[turn.name] = act(turn)
    return found, absent


if __name__ == "__main__":
    main()
