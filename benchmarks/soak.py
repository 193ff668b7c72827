"""A Windvane under steady load for long: is every request answered, and does no process grow?

    python -m benchmarks.soak --minutes 30

Starts a Windvane of its own (control too), warms it up, offers a share of the most it can answer as an open loop from
another process, and reads the resident memory of every process of the Windvane every ten seconds. Passes when no
request failed, in the warm-up neither, and every process, after warm-up, stays within 5 %; exits with 1 otherwise.

The warm-up is long, since heaps fill for longer than one thinks, and begins with a crowd: HAProxy keeps what the most
connections at once ever took. Only of the crowd some may be refused. All through the warm-up the peak is measured
again, with half of the least so far in between: the speed of a rented machine changes twofold within the hour, a peak
that was measured in its best minute is not what it can hold, and half of that is.

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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks import memory, model, results
from benchmarks.generator import Generator
from benchmarks.memory import Memory
from benchmarks.offered import Tally
from benchmarks.world import World, world
from windvane.configs.schema import ModelSpec

PEAK_SECONDS, PEAK_CONCURRENCY, PEAKS = 20.0, 32, 8
CONNECTIONS = 256  # at once, as of callers that keep pools; a request that waits for one counts from when it was due
PATIENT = ModelSpec.model_validate(model.SPEC.model_dump(mode="json") | {"slo": {"latency_p99_ms": 2000}})
SAMPLE_SECONDS = 10.0
WARM_UP_MINUTES = 25.0
WARM_UP_SHARE = 0.5  # of the least peak so far; the peak itself is not known yet
BODIES = 20_000  # more ids among them than a replica remembers


@dataclass(frozen=True, slots=True)
class Soaked:
    """Findings of a soak."""

    peak: float  # good answers a second
    rate: float  # offered a second
    tally: Tally
    samples: Memory
    warm_up: float  # seconds, before those below
    seconds: float
    before: Tally = field(default_factory=lambda: Tally(0.0))  # of the warm-up between its peaks

    @property
    def growths(self) -> list[memory.Growth]:
        """Every process that lived through it."""
        return self.samples.growths(self.warm_up, self.warm_up + self.seconds)

    @property
    def failures(self) -> list[str]:
        """Reasons why it did not pass."""
        bad = {status: n for status, n in self.tally.statuses.items() if status != 200}
        found = [f"{n} requests got status {status}" for status, n in bad.items()]
        early = {status: n for status, n in self.before.statuses.items() if status != 200}
        found += [f"{n} requests of the warm-up got status {status}" for status, n in early.items()]
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


@dataclass(slots=True)
class Watch:
    """Reads the memory of a Windvane while it is asked."""

    place: World
    start: float = field(default_factory=time.monotonic)
    found: Memory = field(default_factory=Memory)

    def ask(self, file: Path, seconds: float, *load: str) -> Tally:
        """Tally of a generator that asked for so long."""
        generator = Generator(self.place, file, seconds, *load)
        while generator.process.poll() is None:
            self.found.sample(self.seconds, self.place.family())
            try:
                generator.process.wait(SAMPLE_SECONDS)
            except subprocess.TimeoutExpired:
                minute, second = divmod(int(self.seconds), 60)
                if second < SAMPLE_SECONDS:
                    say(f"{minute:3d} min: replica {self.place.replica().memory_info().rss / 1e6:.0f} MB")
        return generator.total()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.start


def warm_up(watch: Watch, file: Path, minutes: float) -> tuple[float, Tally]:
    """Good answers a second that it holds, the least of PEAKS closed loops; also what became of the load in between.

    Before them comes the crowd, of which some may be refused; monitor and sealer have work once it has been there.
    """
    closed = ("--concurrency", str(PEAK_CONCURRENCY))
    crowd = watch.ask(file, PEAK_SECONDS, "--concurrency", str(CONNECTIONS))
    say(f"a crowd of {CONNECTIONS}: {crowd.rate:.0f}/s, by status {crowd.statuses}")
    peak, between_peaks = float("inf"), Tally(0.0)
    between = max(1.0, 60.0 * minutes / PEAKS - PEAK_SECONDS)
    for _ in range(PEAKS):
        rate = watch.ask(file, PEAK_SECONDS, *closed).rate
        peak = min(peak, rate)
        offered = WARM_UP_SHARE * peak
        tally = watch.ask(file, between, *_open(offered))
        say(f"peak {rate:.0f}/s; {tally.rate:.0f}/s of {offered:.0f}/s offered, by status {tally.statuses}")
        between_peaks.merge(tally)
    return peak, between_peaks


def soak(place: World, minutes_before: float, minutes: float, share: float, file: Path) -> Soaked:
    """Warm up, then offer `share` of the peak for so many minutes, and watch."""
    watch = Watch(place)
    peak, before = warm_up(watch, file, minutes_before)
    warm = watch.seconds
    say(f"offering {share * peak:.0f}/s for {minutes:g} minutes")
    tally = watch.ask(file, 60.0 * minutes, *_open(share * peak))
    return Soaked(peak, share * peak, tally, watch.found, warm, 60.0 * minutes, before)


def _open(rate: float) -> tuple[str, ...]:
    return "--rate", str(rate), "--connections", str(CONNECTIONS)


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


def save(found: Soaked, commit: str) -> Path:
    """Everything, with the machine it was measured on."""
    results.FOLDER.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    answered = found.tally.answered
    written = {
        "at": now.isoformat(timespec="seconds"),
        "commit": commit,
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
    path = results.FOLDER / f"soak-{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(written, indent=1) + "\n")
    return path


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--warm-up", type=float, default=WARM_UP_MINUTES, help="minutes before them")
    parser.add_argument("--share", type=float, default=0.7, help="of the peak that is offered")
    given = parser.parse_args()
    commit = results.commit()  # files may be edited while it runs
    with tempfile.TemporaryDirectory(prefix="wvs") as folder, world(PATIENT) as place:
        file = Path(folder) / "bodies.ndjson"
        file.write_bytes(b"\n".join(bodies()))
        place.control()
        found = soak(place, given.warm_up, given.minutes, given.share, file)
    say(report(found))
    say(f"written to {save(found, commit)}")
    sys.exit(bool(found.failures))


if __name__ == "__main__":
    main()
