"""Costs of the decision log: `python -m benchmarks.decision_log [--folder DIR] [--records N]`.

The folder decides what a sync costs: point it at the disk that the log will live on.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

from msgspec.structs import replace

from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.audit.auditor import Auditor
from windvane.cluster.decision_log.audit.checkpoints import Checkpoints
from windvane.cluster.decision_log.audit.verify import verify
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.read.sealer import Sealer
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Decision, Outcome
from windvane.cluster.decision_log.vault.file_kms import FileKms
from windvane.cluster.decision_log.vault.key_file import signing_key
from windvane.cluster.decision_log.vault.personal import Protection
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.decision_log.write.limits import WriterLimits
from windvane.cluster.decision_log.write.segment import Durability, header_for
from windvane.cluster.decision_log.write.write_ahead import Sync
from windvane.cluster.decision_log.write.writer import Writer
from windvane.configs.schema import Feature
from windvane.serve_apps.pipeline.protected_log import ProtectedLog

KNOWN, ALONE = "known", "known, by the loop"
FEATURES = (
    *(Feature(name=f"f{n}", type="number") for n in range(22)),
    Feature(name="carrier", type="category", categories=("UA", "DL")),
    Feature(name="hour", type="integer"),
)


def say(what: str, figures: str) -> None:
    sys.stdout.write(f"{what:<44}{figures}\n")


def decisions(count: int) -> list[Decision]:
    """Decisions with 24 different features each, as endpoints make them."""
    draw = random.Random(7).random
    return [
        Decision(
            decision_id=f"{n:032x}",
            at=1.7e9 + n,
            event_time=1.7e9 + n,
            version=3,
            arm="champion",
            revision=7,
            subject=f"N{n % 4000}",
            unit_hash=n * 7919 % (1 << 32),
            features=(*(draw() for _ in range(22)), "UA", n % 24),
            prediction=draw(),
            action="warn",
            caller="front-desk",
            roles=("client",),
            purpose="service",
            proposed="warn",
            policies=("clients-decide", "act"),
            policy_version=f"{7:064x}",
            mandate=f"{8:032x}",
        )
        for n in range(count)
    ]


def protected(records: list[Decision], home: Path) -> list[Decision]:
    """The same as they are written: subjects by their keyed hash, their names encrypted."""
    vault = Vault(SqliteSubjectKeys(home / "subjects.db"), FileKms(home / "subjects.key"))
    found = Protection(vault, FEATURES).protect_all(records)
    vault.flush()
    return found


def milliseconds(latencies: list[float]) -> str:
    ordered = sorted(latencies)
    return f"p50 {ordered[len(ordered) // 2] * 1e3:.3f} ms, p99 {ordered[int(len(ordered) * 0.99)] * 1e3:.3f} ms"


async def write(root: Path, durability: Durability, records: list[Decision]) -> None:
    """Appends alone, then 1 and 64 callers that each wait for their own record."""
    loop = asyncio.get_running_loop()
    limits = WriterLimits(max_waiting_bytes=1 << 30)  # nothing here slows down for a slow disk
    writer = Writer(root, header_for("bench", f"bench-{durability}", FEATURES, durability), loop, limits=limits)
    best = float("inf")
    for first in range(0, len(records), 5000):
        part = records[first : first + 5000]
        started = perf_counter()
        for record in part:
            writer.append(record)
        best = min(best, (perf_counter() - started) / len(part))
        await writer.commit()
    say(f"append, {durability}", f"{best * 1e6:.2f} µs a record")

    async def call(own: list[Decision], latencies: list[float]) -> None:
        for record in own:
            started = perf_counter()
            writer.append(record)
            await writer.commit()
            latencies.append(perf_counter() - started)
            await asyncio.sleep(0)  # as a server would: the next request comes with another turn

    for callers, each in ((1, 2000), (64, 500)):
        latencies: list[float] = []
        started, cpu = perf_counter(), process_time()
        await asyncio.gather(*(call(records[n * each : (n + 1) * each], latencies) for n in range(callers)))
        seconds, cpu = perf_counter() - started, process_time() - cpu
        rate = f"{len(latencies) / seconds:,.0f} records/s, {cpu / len(latencies) * 1e6:.1f} µs CPU a record"
        say(f"append + commit, {durability}, {callers} at once", f"{milliseconds(latencies)}, {rate}")
    writer.close()


class SyncedAfter:
    """A vault whose keys are synced before the log is written, not beside it."""

    def __init__(self, vault: Vault) -> None:
        self.is_due = vault.is_due
        self._vault = vault

    def flush(self) -> Sync | None:
        """Leave nothing to be synced."""
        sync = self._vault.flush()
        if sync is not None:
            sync()
        return None


async def introduce(home: Path, records: list[Decision], turns: int = 20, each: int = 100) -> None:
    """One at a time of new subjects, whose keys are synced after the log or beside it, and of one that is known.

    Of the known one also by a caller that is alone, which the loop writes itself.

    They take turns, so that what else the machine does meets all of them.
    """
    names = ("new, key synced after", "new, key synced beside", KNOWN, ALONE)
    latencies: dict[str, list[float]] = {name: [] for name in names}
    logs: dict[str, ProtectedLog] = {}
    writers: list[Writer] = []
    for place, name in enumerate(latencies):
        vault = Vault(SqliteSubjectKeys(home / f"subjects-{place}.db"), FileKms(home / "subjects.key"))
        writer = Writer(
            home / f"new-{place}",
            header_for("bench", f"bench-new-{place}", FEATURES),
            asyncio.get_running_loop(),
            write_ahead=vault if place == 1 else SyncedAfter(vault),
        )
        writers.append(writer)
        logs[name] = ProtectedLog(writer, Protection(vault, FEATURES))
    for turn in range(turns):
        for name, log in logs.items():
            for place, record in enumerate(records[turn * each : (turn + 1) * each]):
                subject = name if name in (KNOWN, ALONE) else f"{turn}-{place}"
                started = perf_counter()
                log.append(replace(record, subject=subject))
                await log.commit(alone=name == ALONE)
                latencies[name].append(perf_counter() - started)
                await asyncio.sleep(0)
    for name, found in latencies.items():
        say(f"commit, subject {name}", milliseconds(found))
    for writer in writers:
        writer.close()


async def follow(root: Path, records: list[Decision], per_second: int) -> None:
    """Measures one read when that many records came since the last."""
    writer = Writer(root, header_for("bench", "bench-tail", FEATURES, "buffered"), asyncio.get_running_loop())
    tail = Tail(root)
    while tail.read():
        pass
    costs: list[float] = []
    for first in range(0, len(records) - per_second, per_second):
        for record in records[first : first + per_second]:
            writer.append(record)
        await asyncio.sleep(0)
        read, cpu = 0, 0.0
        while read < per_second:
            started = process_time()
            found = len(tail.read())
            cpu += (process_time() - started) if found else 0.0
            read += found
        costs.append(cpu)
    started = perf_counter()
    for _ in range(100):
        tail.read()
    idle = (perf_counter() - started) / 100
    figures = f"{sum(costs) / len(costs) * 1e3:.1f} ms CPU; with nothing new {idle * 1e6:.0f} µs"
    say(f"tail, a read of {per_second:,} records", figures)
    tail.close()
    writer.close()


async def label(root: Path, records: list[Decision]) -> None:
    writer = Writer(root, header_for("bench", "bench-outcomes", FEATURES, "buffered"), asyncio.get_running_loop())
    for record in records:
        writer.append(
            Outcome(record.decision_id, record.at + 60, (record.prediction or 0.0) > 0.5, caller="front-desk")
        )
    await writer.commit()
    writer.close()


def audit(home: Path, stored: int) -> None:
    """Sign and verify the sealed log; `home` holds `committed` and nothing else that is a log."""
    key = signing_key(home / "signing.pem")
    checkpoints = Checkpoints(home / "checkpoints.jsonl", key)
    logs = home / "logs"
    logs.mkdir()
    (home / "committed").rename(logs / "bench")
    timed("checkpoint of a sealed log", lambda: Auditor(logs, checkpoints).tick(2e9))
    for processes in sorted({1, os.cpu_count() or 1}):
        started = perf_counter()
        report = verify(logs, home / "checkpoints.jsonl", [key.public_key()], processes=processes)
        rate = f"{stored / (perf_counter() - started):,.0f} records/s in {report.segments} segments"
        say(f"verify, processes: {processes}, {len(report.faults)} faults", rate)


def protect(home: Path, subjects: int = 20_000) -> None:
    """Measures the encryption of 80 bytes of personal fields, by what is known of the subject."""
    vault = Vault(SqliteSubjectKeys(home / "vault.db"), FileKms(home / "master.key"))
    asked = [(f"subject-{n}", f"{n:032x}", b"p" * 80) for n in range(subjects)]
    batches = [asked[first : first + 64] for first in range(0, subjects, 64)]

    def cost(what: str, act: Callable[[], object]) -> None:
        started = process_time()
        act()
        say(f"vault: {what}", f"{(process_time() - started) / subjects * 1e6:.1f} µs CPU a record")

    cost("new subject, 64 at once", lambda: [vault.protect_all(batch) for batch in batches])
    cost("new subject, its key stored", vault.flush)
    cost("subject that is held, 64 at once", lambda: [vault.protect_all(batch) for batch in batches])
    cost("subject that is held, one by one", lambda: [vault.protect(*one) for one in asked])
    random.Random(7).shuffle(batches)
    cold = Vault(SqliteSubjectKeys(home / "vault.db"), FileKms(home / "master.key"), held=1)
    cost("subject that is not held, 64 at once", lambda: [cold.protect_all(batch) for batch in batches])
    cost("subject that is not held, one by one", lambda: [cold.protect(*one) for one in asked])


def reserve(home: Path, turns: int = 20, each: int = 100) -> None:
    """Measures a sync of 900 bytes where the file grows and where its room was reserved; they take turns."""
    latencies: dict[str, list[float]] = {"the file grows": [], "its room is reserved": []}
    files = [os.open(home / f"sync-{place}", os.O_WRONLY | os.O_CREAT) for place in range(len(latencies))]
    content = bytes(900)
    disk.reserve(files[1], 0, turns * each * len(content))
    for _ in range(turns):
        for descriptor, found in zip(files, latencies.values(), strict=True):
            for _ in range(each):
                started = perf_counter()
                disk.write_whole(descriptor, content)
                disk.sync(descriptor)
                found.append(perf_counter() - started)
    for descriptor in files:
        os.close(descriptor)
    for name, found in latencies.items():
        say(f"900 bytes synced, {name}", milliseconds(found))


def timed(what: str, act: Callable[[], object], records: int | None = None) -> None:
    started = perf_counter()
    act()
    seconds = perf_counter() - started
    say(what, f"{seconds * 1e3:,.0f} ms" + (f", {records / seconds:,.0f} records/s" if records else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    parser.add_argument("--records", type=int, default=100_000)
    order = parser.parse_args()
    root = Path(tempfile.mkdtemp(dir=order.folder))
    try:
        records = protected(decisions(order.records), root)
        asyncio.run(write(root / "committed", "committed", records))
        asyncio.run(write(root / "buffered", "buffered", records))
        asyncio.run(follow(root / "tail", records, 5000))
        log = root / "committed"
        asyncio.run(label(log, records))
        query = Query(log, FEATURES)
        counted = "SELECT count(*) AS n FROM"
        stored = query.sql(f"{counted} decisions")["n"][0].as_py() + query.sql(f"{counted} outcomes")["n"][0].as_py()
        timed(f"query while live, {stored:,} records", lambda: query.sql("SELECT avg(prediction) FROM labelled"))
        timed("seal", lambda: Sealer(log).seal(), stored)
        timed("query when sealed", lambda: query.sql("SELECT avg(prediction) FROM labelled"))
        timed("training rows", lambda: query.training_rows())
        timed("tail from the start, sealed", lambda: Tail(log).read(stored), stored)
        audit(root, stored)
        protect(root)
        reserve(root)
        asyncio.run(introduce(root, decisions(2000)))
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
