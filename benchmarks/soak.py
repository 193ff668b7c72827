"""A Windvane under steady load for long: is every request answered, and does no process grow?

    python -m benchmarks.soak --minutes 30

Starts a Windvane of its own (control too), measures the most it can answer, offers a share of that as an open loop from
another process, and reads the resident memory of every process of the Windvane every ten seconds. Passes when no
request failed and every process, after warm-up, stays within 5 %; exits with 1 otherwise. The warm-up comes before the
minutes, under the same load, and none of its requests may fail either: Ray's own raylet fills its heap for a quarter of
an hour, and then keeps it.

The traffic: single rows with fresh subjects, some with an id, some explained, some of 16 rows. The model's SLO is two
seconds, so that nothing is refused when monitor, sealer and generator want the cores of a small machine at the same
moment: this asks whether it lasts.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks import memory, model
from benchmarks.generator import Generator
from benchmarks.memory import Memory
from benchmarks.offered import Tally
from benchmarks.world import World, world
from configs.schema import ModelSpec

RESULTS = Path(__file__).parent / "results"
PEAK_SECONDS, PEAK_CONCURRENCY, PEAKS = 20.0, 32, 3
PATIENT = ModelSpec.model_validate(model.SPEC.model_dump(mode="json") | {"slo": {"latency_p99_ms": 2000}})
SAMPLE_SECONDS = 10.0
WARM_UP_MINUTES = 15.0
BODIES = 20_000  # more ids among them than a replica remembers


@dataclass(frozen=True, slots=True)
class Soaked:
    """What a soak found."""

    peak: float  # good answers a second
    rate: float  # offered a second
    tally: Tally
    samples: Memory
    warm_up: float  # seconds, before those below
    seconds: float

    @property
    def growths(self) -> list[memory.Growth]:
        """Every process that lived through it."""
        return self.samples.growths(self.warm_up, self.warm_up + self.seconds)

    @property
    def failures(self) -> list[str]:
        """Why it did not pass."""
        bad = {status: n for status, n in self.tally.statuses.items() if status != 200}
        found = [f"{n} requests got status {status}" for status, n in bad.items()]
        if self.tally.rate < 0.95 * self.rate:
            found.append(f"{self.tally.rate:.0f} answers a second of {self.rate:.0f} that were offered")
        found += [
            f"{each.name} ({each.pid}) grew by {100 * each.share:.1f} %" for each in self.growths if not each.is_flat
        ]
        return found


def bodies(count: int = BODIES) -> Iterator[bytes]:
    """Requests of every kind, each with rows and subjects of its own."""
    rows = iter(model.make_rows(2 * count).astype(float).round(4).tolist())

    def question(name: str, **more: object) -> dict[str, object]:
        features = {f"f{place}": value for place, value in enumerate(next(rows))}
        return {"subject": name, "features": features, **more}

    for place in range(count):
        match place % 20:
            case 0:
                asked: object = {"instances": [question(f"unit-{place}-{row}") for row in range(16)]}
            case 1 | 2 | 3 | 4:
                asked = question(f"unit-{place}", explain=True)
            case kind if kind < 15:
                asked = question(f"unit-{place}", id=f"request-{place}", context={"channel": "web"})
            case _:
                asked = question(f"unit-{place}")
        yield json.dumps(asked, separators=(",", ":")).encode()


def measure_peak(place: World, file: Path) -> float:
    """Good answers a second that it can hold: the least of several runs, since a machine's speed drifts by the minute.

    The first run warms up and does not count: monitor and sealer have work only when something was decided.
    """
    closed = ["--concurrency", str(PEAK_CONCURRENCY)]
    rates = [Generator(place, file, PEAK_SECONDS, *closed).total().rate for _ in range(1 + PEAKS)]
    say("peaks " + ", ".join(f"{rate:.0f}/s" for rate in rates[1:]))
    return min(rates[1:])


def soak(place: World, warm_up: float, minutes: float, share: float, file: Path) -> Soaked:
    """Measure the peak, then offer `share` of it for so many minutes after so many of warm-up, and watch."""
    peak = measure_peak(place, file)
    say(f"offering {share * peak:.0f}/s for {warm_up:g} minutes of warm-up and {minutes:g} minutes")
    generator = Generator(place, file, 60.0 * (warm_up + minutes), "--rate", str(share * peak))
    start, found = time.monotonic(), Memory()
    while generator.process.poll() is None:
        found.sample(time.monotonic() - start, place.family())
        try:
            generator.process.wait(SAMPLE_SECONDS)
        except subprocess.TimeoutExpired:
            minute, second = divmod(int(time.monotonic() - start), 60)
            if second < SAMPLE_SECONDS:
                say(f"{minute:3d} min: replica {place.replica().memory_info().rss / 1e6:.0f} MB")
    return Soaked(peak, share * peak, generator.total(), found, 60.0 * warm_up, 60.0 * minutes)


def say(line: str) -> None:
    """To whoever watches."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def report(found: Soaked) -> str:
    """For a person."""
    answered = found.tally.answered
    latency = ", ".join(
        f"{name} {answered.quantile(share):.1f} ms" for name, share in (("p50", 0.5), ("p99", 0.99), ("most", 1.0))
    )
    lines = [
        memory.table(found.growths),
        f"{found.tally.rate:.0f} answers a second of {found.rate:.0f} offered; {latency}; by status "
        f"{found.tally.statuses}",
        "passed" if not found.failures else "FAILED: " + "; ".join(found.failures),
    ]
    return "\n".join(lines)


def save(found: Soaked) -> Path:
    """Everything, with the machine it was measured on."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    answered = found.tally.answered
    written = {
        "at": now.isoformat(timespec="seconds"),
        "machine": {
            "cpus": psutil.cpu_count(),
            "memory": psutil.virtual_memory().total,
            "python": platform.python_version(),
        },
        "warm_up_minutes": found.warm_up / 60.0,
        "minutes": found.seconds / 60.0,
        "peak_per_second": found.peak,
        "offered_per_second": found.rate,
        "answered_per_second": found.tally.rate,
        "statuses": found.tally.statuses,
        "p50_ms": answered.quantile(0.5),
        "p99_ms": answered.quantile(0.99),
        "processes": memory.as_json(found.growths),
        "megabytes_by_minute": found.samples.by_minute(),
        "failures": found.failures,
    }
    path = RESULTS / f"soak-{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(written, indent=1) + "\n")
    return path


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--warm-up", type=float, default=WARM_UP_MINUTES, help="minutes of the same load before them")
    parser.add_argument("--share", type=float, default=0.7, help="of the peak that is offered")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wvs") as folder, world(PATIENT) as place:
        file = Path(folder) / "bodies.ndjson"
        file.write_bytes(b"\n".join(bodies()))
        place.control()
        found = soak(place, given.warm_up, given.minutes, given.share, file)
    say(report(found))
    say(f"written to {save(found)}")
    sys.exit(bool(found.failures))


if __name__ == "__main__":
    main()
