"""More than one replica can answer: how much of it is good, how late, and how soon the rest is told.

    python -m benchmarks.overload

A Windvane of its own without control: monitors and the log's sealer follow what is decided, and on a small machine
their share of it changes from minute to minute, which would be measured too. First requests of a thousand rows as
binary tensors, whose cost is the model's and not that of moving bytes, at three times the peak; peak and flood take
turns, so that what else the machine does meets both. Then single rows of JSON from ever more callers, each of which
asks again at once, refused or not.
"""

import json
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import dialects, model
from benchmarks.generator import Generator
from benchmarks.offered import Tally
from benchmarks.world import World, world
from windvane.configs.schema import ModelSpec

SLO_MS, HURRIED_SLO_MS = 800.0, 50.0
ROWS = 1000  # in a large request
REQUESTS = 20  # different ones
ROUNDS, MOST_ROUNDS, PEAK_SECONDS, FLOOD_SECONDS = 4, 12, 4.0, 6.0
TIMES = 3.0  # what is offered, of the peak
MOST_SETTLING = 10
CROWDS = (32, 128, 512)  # callers of single rows
CROWD_SECONDS = 8.0
SPEC = ModelSpec.model_validate(
    model.SPEC.model_dump(mode="json")
    | {
        "slo": {"latency_p99_ms": SLO_MS},
        "serving": {"min_replicas": 1, "max_replicas": 1, "max_waiting_rows": 100_000},
    }
)
HURRIED = SPEC.model_copy(update={"slo": SPEC.slo.model_copy(update={"latency_p99_ms": HURRIED_SLO_MS})})
Results = Sequence[tuple[str, Tally]]


def large(file: Path, place: World) -> Path:
    """Requests of ROWS rows, whole, written there."""
    dialect = replace(dialects.BINARY, rows=ROWS)
    file.write_bytes(b"\n".join(map(b64encode, dialect.requests(model.make_rows(REQUESTS * ROWS), place.headers))))
    return file


def instances(subject: str, count: int) -> bytes:
    """A body of JSON: so many rows of one subject."""
    rows = model.make_rows(count).astype(float).round(4).tolist()
    features = [{f"f{place}": value for place, value in enumerate(row)} for row in rows]
    return json.dumps({"instances": [{"subject": subject, "features": each} for each in features]}).encode()


def single(file: Path) -> Path:
    """Bodies of one row, written there."""
    file.write_bytes(b"\n".join(instances(f"single-{place}", 1) for place in range(REQUESTS)))
    return file


def flooded(place: World, bodies: Path, expected: float = 0.0) -> tuple[Tally, Tally]:
    """A closed loop of 8 and TIMES what it was answered, in turns.

    A machine whose speed changes by a quarter within seconds says little in ROUNDS of them. So there are more,
    all MOST_ROUNDS, when what was answered in the first floods is below the `expected` share of the peak.
    """
    Generator(place, bodies, 3.0, "--whole", "--concurrency", "8").total()
    peak, flood = Tally(0.0), Tally(0.0)
    for turn in range(MOST_ROUNDS):
        if turn == ROUNDS and flood.rate >= expected * peak.rate:
            break
        peak.merge(Generator(place, bodies, PEAK_SECONDS, "--whole", "--concurrency", "8").total())
        load = ("--whole", "--rate", str(TIMES * peak.rate))
        flood.merge(Generator(place, bodies, FLOOD_SECONDS, *load).total())
        settle(place, bodies)
    return peak, flood


def settle(place: World, bodies: Path) -> None:
    """Ask one at a time until all of a second are answered: a flood leaves some behind that nobody waits for."""
    for _ in range(MOST_SETTLING):
        if Generator(place, bodies, 1.0, "--whole", "--concurrency", "1").total().statuses.keys() == {200}:
            return
    raise RuntimeError(f"Requests are still refused {MOST_SETTLING} s after a flood")


def crowd(place: World, bodies: Path, callers: int) -> Tally:
    """So many callers that ask again as soon as they are answered or refused."""
    return Generator(place, bodies, CROWD_SECONDS, "--concurrency", str(callers)).total()


def table(results: Results) -> Iterator[str]:
    """Markdown; latencies of good answers and of refusals, in ms."""
    yield "| | good answers/s | refused/s | p50 | p99 | refused p50 | refused p99 |"
    yield "|---|---|---|---|---|---|---|"
    for name, tally in results:
        refused = sum(count for status, count in tally.statuses.items() if status != 200)
        cells = [f"{tally.rate:,.0f}", f"{refused / tally.seconds:,.0f}"]
        cells += [f"{tally.answered.quantile(share):.0f}" for share in (0.5, 0.99)]
        cells += [f"{tally.refused.quantile(share):.0f}" if refused else "" for share in (0.5, 0.99)]
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """The command line."""
    with tempfile.TemporaryDirectory(prefix="wvo") as folder, world(SPEC) as place:
        peak, flood = flooded(place, large(Path(folder) / "large.base64", place))
        results = [(f"{ROWS:,} rows, 8 callers", peak), (f"{ROWS:,} rows, {TIMES:g} x that, open loop", flood)]
        place.serve(HURRIED)
        bodies = single(Path(folder) / "single.ndjson")
        crowd(place, bodies, CROWDS[0])  # a new replica warms up
        results += [(f"1 row, {callers} callers", crowd(place, bodies, callers)) for callers in CROWDS]
    sys.stdout.write("\n".join(table(results)) + "\n")


if __name__ == "__main__":
    main()
