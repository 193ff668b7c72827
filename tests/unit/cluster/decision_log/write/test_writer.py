"""The writer: what was acknowledged is on disk, whatever dies, and nothing is acknowledged that is not."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.worlds.log.open_writer import Ahead, decision, open_writer, records
from windvane.cluster.clock import Clock
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.record import Decision, Outcome
from windvane.cluster.decision_log.write.limits import WriterLimits
from windvane.cluster.decision_log.write.live import claim
from windvane.cluster.decision_log.write.segment import live_names, live_path, read_header
from windvane.cluster.decision_log.write.writer import LONGEST_HELD_SECONDS, RESPITE, Writer
from windvane.cluster.errors import Unavailable


def test_a_commit_returns_when_its_records_are_on_disk(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision("d1"))
            writer.append(Outcome("d1", 11.0, True))
            await writer.commit()
            assert records(tmp_path) == [decision("d1"), Outcome("d1", 11.0, True)]

    asyncio.run(scene())


def test_who_is_alone_is_written_by_the_loop_and_the_others_by_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, threads, due = [0.0], list[int](), False
    real = disk.sync

    async def one(writer: Writer, name: str, *, alone: bool = True) -> None:
        writer.append(decision(name))
        await writer.commit(alone=alone)

    async def scene() -> None:
        ahead = Ahead(lambda: None, lambda: due)
        async with open_writer(tmp_path, write_ahead=ahead, clock=Clock(ticks=lambda: times[0])) as writer:
            await one(writer, "the thread opens the segment")
            monkeypatch.setattr(disk, "sync", sync)
            await one(writer, "alone")
            await one(writer, "not alone", alone=False)
            await asyncio.gather(*(one(writer, name, alone=False) for name in ("two at once", "second")))
            nonlocal due
            due = True
            await one(writer, "with something to write before")
            due = False
            behind = asyncio.ensure_future(one(writer, "with the thread", alone=False))
            await asyncio.sleep(0)  # appended
            await asyncio.sleep(0)  # handed over
            await one(writer, "nothing is overtaken")
            await behind
            times.append(LONGEST_HELD_SECONDS + 0.001)  # what the next sync takes
            await one(writer, "alone, and slow")
            await one(writer, "left to the thread after that")
            times[0] += RESPITE * (LONGEST_HELD_SECONDS + 0.001)
            await one(writer, "alone again")

    def sync(descriptor: int) -> None:
        threads.append(threading.get_ident())
        times[0] += times.pop() if len(times) > 1 else 0.0
        real(descriptor)

    asyncio.run(scene())
    here = [thread == threading.get_ident() for thread in threads]
    assert here[:4] == [True, False, False, False]
    assert here[-4:] == [True, False, True, False]  # the last closes the segment
    assert [record.decision_id for record in records(tmp_path) if isinstance(record, Decision)][-5:] == [
        "with the thread",
        "nothing is overtaken",
        "alone, and slow",
        "left to the thread after that",
        "alone again",
    ]


def test_who_is_alone_has_its_record_on_disk_when_commit_returns(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision("the thread opens the segment"))
            await writer.commit()
            writer.append(decision("alone"))
            committed = writer.commit(alone=True)
            assert committed.done()
            assert records(tmp_path)[-1] == decision("alone")
            writer.append(decision("not alone"))
            assert not writer.commit().done()

    asyncio.run(scene())


def test_the_header_says_whose_records_these_are(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision("d1"))
            await writer.commit()

    asyncio.run(scene())
    (name,) = live_names(tmp_path)
    header, _ = read_header(live_path(tmp_path, name).read_bytes(), name) or (None, 0)
    assert header is not None
    assert (header.model, header.writer) == ("flight-delay", "replica-1")
    assert [(column.name, column.type) for column in header.features] == [("temp", "number"), ("carrier", "category")]


def test_all_who_wait_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []

    async def one(writer: Writer, name: str) -> None:
        writer.append(decision(name))
        await writer.commit()

    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            await one(writer, "first")  # opens the segment
            real = disk.sync

            def counted(descriptor: int) -> None:
                syncs.append(descriptor)
                real(descriptor)

            monkeypatch.setattr(disk, "sync", counted)
            await asyncio.gather(*(one(writer, f"d{n}") for n in range(64)))
            assert len(syncs) == 1
            assert len(records(tmp_path)) == 65

    asyncio.run(scene())


def test_records_keep_the_order_in_which_they_were_appended(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            for n in range(300):
                writer.append(decision(f"d{n}"))
                if n % 7 == 0:
                    await writer.commit()
            await writer.commit()

    asyncio.run(scene())
    assert [record.decision_id for record in records(tmp_path) if isinstance(record, Decision)] == [
        f"d{n}" for n in range(300)
    ]


def test_what_nobody_commits_is_written_all_the_same(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision("left"))

    asyncio.run(scene())
    assert records(tmp_path) == [decision("left")]


def test_a_caller_that_goes_away_does_not_take_the_others_along(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision("d1"))
            impatient, patient = writer.commit(), writer.commit()
            impatient.cancel()
            await patient
            assert records(tmp_path) == [decision("d1")]

    asyncio.run(scene())


def test_a_segment_is_rolled_by_size_and_left_to_the_sealer(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path, limits=WriterLimits(segment_bytes=400)) as writer:
            for n in range(6):
                writer.append(decision(f"d{n}", "x" * 200))
                await writer.commit()
        assert len(live_names(tmp_path)) >= 3
        assert len(records(tmp_path)) == 6

    asyncio.run(scene())


def test_a_held_segment_cannot_be_claimed_until_its_writer_is_gone(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision("d1"))
            await writer.commit()
            (name,) = live_names(tmp_path)
            with claim(live_path(tmp_path, name)) as held:
                assert held is None
        with claim(live_path(tmp_path, name)) as free:
            assert free is not None

    asyncio.run(scene())


def test_a_writer_of_the_same_name_starts_a_segment_of_its_own(tmp_path: Path) -> None:
    async def scene(name: str) -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision(name))
            await writer.commit()

    asyncio.run(scene("before"))
    asyncio.run(scene("after"))
    assert len(live_names(tmp_path)) == 2
    assert records(tmp_path) == [decision("before"), decision("after")]


def test_it_may_be_closed_from_another_thread_while_the_loop_appends(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            for n in range(200):
                writer.append(decision(f"d{n}"))
            closing = asyncio.to_thread(writer.close)
            last = writer.commit()
            await asyncio.gather(last, closing)
            with pytest.raises(Unavailable):
                writer.append(decision("late"))

    asyncio.run(scene())
    assert [record.decision_id for record in records(tmp_path) if isinstance(record, Decision)] == [
        f"d{n}" for n in range(200)
    ]


VICTIM = """
import asyncio, os, sys
from pathlib import Path
from windvane.cluster.decision_log.record import Decision
from windvane.cluster.decision_log.write.limits import WriterLimits
from windvane.cluster.decision_log.write.segment import header_for
from windvane.cluster.decision_log.write.writer import Writer
from windvane.configs.schema import Feature

async def client(writer, name, alone):
    n = 0
    while True:
        n += 1
        record = Decision(f"{name}-{n}", 1.0, 1.0, 1, "champion", 1, "s", 1, (0.5,), 0.5, "warn")
        writer.append(record)
        await writer.commit(alone=alone)
        os.write(1, f"{name}-{n}\\n".encode())

async def main():
    feature = Feature(name="temp", type="number")
    loop, limits = asyncio.get_running_loop(), WriterLimits(segment_bytes=20000)
    writer = Writer(Path(sys.argv[1]), header_for("m", "victim", (feature,)), loop, limits=limits)
    clients = int(sys.argv[2])
    await asyncio.gather(*(client(writer, f"c{k}", clients == 1) for k in range(clients)))

asyncio.run(main())
"""


@pytest.mark.parametrize(("clients", "acknowledged_before_the_kill"), [(16, 1), (16, 1500), (1, 700)])
def test_every_acknowledged_record_survives_kill_9(
    tmp_path: Path, clients: int, acknowledged_before_the_kill: int
) -> None:
    here = Path(__file__).parents[5]
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(tmp_path), str(clients)],
        stdout=subprocess.PIPE,
        cwd=here,
        env=os.environ | {"PYTHONPATH": "."},
    ) as victim:
        assert victim.stdout is not None
        acknowledged = [victim.stdout.readline() for _ in range(acknowledged_before_the_kill)]
        victim.send_signal(signal.SIGKILL)
        acknowledged += victim.stdout.readlines()
    assert victim.returncode == -signal.SIGKILL
    names = {line.strip().decode() for line in acknowledged if line.endswith(b"\n")}
    found = [record.decision_id for record in records(tmp_path) if isinstance(record, Decision)]
    assert len(names) >= acknowledged_before_the_kill
    assert names <= set(found)
    assert len(found) == len(set(found))
    for name in live_names(tmp_path):
        with claim(live_path(tmp_path, name)) as descriptor:
            assert descriptor is not None, "the kernel lets go of a dead writer's segment"
