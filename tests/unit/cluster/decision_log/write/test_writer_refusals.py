"""The writer when it cannot write: nobody is told that a record is kept that is not, and nobody waits for ever."""

import asyncio
import errno
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.worlds.log.open_writer import FEATURES, Ahead, decision, open_writer, records
from windvane.cluster.clock import Clock
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.record import Decision
from windvane.cluster.decision_log.write.limits import WriterLimits
from windvane.cluster.decision_log.write.rolling import RollingSegments
from windvane.cluster.decision_log.write.segment import header_for, live_names, live_path, read_header, scan
from windvane.cluster.decision_log.write.writer import STUCK_SECONDS, Writer
from windvane.cluster.errors import Invalid, TooLarge, Unavailable


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Acts as a full disk: writes are cut short and then refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def bytes_written(root: Path) -> int:
    """Bytes to which the live segment is filled."""
    content = live_path(root, live_names(root)[0]).read_bytes()
    found = read_header(content, "live")
    assert found is not None
    return scan(content, found[1])[1]


def test_a_full_disk_refuses_who_is_alone_and_room_lets_the_next_in(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision("first"))
            await writer.commit()
            with files_no_larger_than(bytes_written(tmp_path) + 10):
                writer.append(decision("refused"))
                with pytest.raises(Unavailable, match="cannot be written"):
                    await writer.commit(alone=True)
            writer.append(decision("after"))
            await writer.commit(alone=True)

    asyncio.run(scene())
    assert records(tmp_path) == [decision("first"), decision("after")]


def test_nobody_waits_for_a_loop_that_could_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision("first"))
            await writer.commit()
            monkeypatch.setattr(RollingSegments, "write", lambda _segments, _content: 1 / 0)
            writer.append(decision("d1"))
            with pytest.raises(Unavailable, match="no disk gives"):
                await writer.commit(alone=True)
            monkeypatch.undo()

    asyncio.run(scene())


def test_a_full_disk_refuses_every_waiting_commit_and_recovers_with_room(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision("kept"))
            await writer.commit()
            with files_no_larger_than(4096):
                writer.append(decision("refused", "x" * 8000))
                commits = [writer.commit(), writer.commit()]
                answers = await asyncio.gather(*commits, return_exceptions=True)
                assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
                assert "File too large" in str(answers[0])
            assert records(tmp_path) == [decision("kept")]
            assert writer.lost == 1
            writer.append(decision("after"))
            await writer.commit()
            assert records(tmp_path) == [decision("kept"), decision("after")]

    asyncio.run(scene())


def test_a_commit_without_records_answers_for_the_group_before(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            (tmp_path / "live").write_text("in the way")
            writer.append(decision("refused"))
            with pytest.raises(Unavailable, match="cannot be written"):
                await writer.commit()
            with pytest.raises(Unavailable, match="cannot be written"):
                await writer.commit()
            (tmp_path / "live").unlink()
            writer.append(decision("kept"))
            await writer.commit()
            await writer.commit()

    asyncio.run(scene())
    assert records(tmp_path) == [decision("kept")]


def test_a_failed_sync_is_never_trusted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = disk.sync

    def refuse(descriptor: int) -> None:
        monkeypatch.setattr(disk, "sync", real)
        raise OSError(5, "Input/output error")

    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision("kept"))
            await writer.commit()
            monkeypatch.setattr(disk, "sync", refuse)
            writer.append(decision("refused"))
            with pytest.raises(Unavailable, match="Input/output error"):
                await writer.commit()
            writer.append(decision("after"))
            await writer.commit()

    asyncio.run(scene())
    assert len(live_names(tmp_path)) == 2
    assert records(tmp_path) == [decision("kept"), decision("after")]


def test_buffered_does_not_wait_and_says_so_when_the_disk_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path, "buffered") as writer:
            writer.append(decision("d1"))
            assert writer.commit().done()
        assert records(tmp_path) == [decision("d1")]
        (tmp_path / "blocked").write_text("in the way")
        async with open_writer(tmp_path / "blocked", "buffered") as writer:
            writer.append(decision("lost"))
            await writer.commit()
            while writer.lost == 0:
                await asyncio.sleep(0)
            with pytest.raises(Unavailable):
                await writer.commit()

    asyncio.run(scene())


def test_a_disk_too_far_behind_refuses_more(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path, limits=WriterLimits(max_waiting_bytes=100)) as writer:
            writer.append(decision("d1", "x" * 200))
            with pytest.raises(Unavailable, match="too slow"):
                writer.append(decision("d2"))
            await writer.commit()
            writer.append(decision("d3"))
            await writer.commit()

    asyncio.run(scene())
    assert records(tmp_path) == [decision("d1", "x" * 200), decision("d3")]


def test_a_closed_writer_refuses(tmp_path: Path) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            pass
        writer.close()
        with pytest.raises(Unavailable):
            writer.demand_open()
        with pytest.raises(Unavailable):
            writer.append(decision("late"))
        with pytest.raises(Unavailable):
            writer.commit()

    asyncio.run(scene())


def test_what_records_need_is_on_disk_before_them_or_they_are_refused(tmp_path: Path) -> None:
    written: list[int] = []

    def keep() -> None:
        written.append(len(records(tmp_path)))
        if len(written) == 2:
            raise Unavailable("no room for keys")

    async def scene() -> None:
        async with open_writer(tmp_path, write_ahead=Ahead(keep)) as writer:
            writer.append(decision("kept"))
            await writer.commit()
            writer.append(decision("refused"))
            with pytest.raises(Unavailable, match="no room for keys"):
                await writer.commit()
            writer.append(decision("after"))
            await writer.commit()

    asyncio.run(scene())
    assert written[:3] == [0, 1, 1]
    assert records(tmp_path) == [decision("kept"), decision("after")]


def test_nobody_is_told_before_what_records_need_is_synced_too(tmp_path: Path) -> None:
    begun, going_on = threading.Event(), threading.Event()

    def sync() -> None:
        begun.set()
        going_on.wait(10.0)

    async def scene() -> None:
        async with open_writer(tmp_path, write_ahead=Ahead(lambda: sync)) as writer:
            writer.append(decision("d1"))
            committed = writer.commit()
            await asyncio.to_thread(begun.wait, 10.0)
            while not records(tmp_path):  # the log is written meanwhile
                await asyncio.sleep(0)
            assert not committed.done()
            going_on.set()
            await committed

    asyncio.run(scene())


def test_what_records_need_and_cannot_be_synced_refuses_them(tmp_path: Path) -> None:
    def refuse() -> None:
        raise Unavailable("the keys' disk is gone")

    syncs = iter([refuse, None])

    async def scene() -> None:
        async with open_writer(tmp_path, write_ahead=Ahead(lambda: next(syncs, None))) as writer:
            writer.append(decision("refused"))
            with pytest.raises(Unavailable, match="the keys' disk is gone"):
                await writer.commit()
            writer.append(decision("after"))
            await writer.commit()

    asyncio.run(scene())


def test_what_waits_when_the_loop_is_gone_is_written_and_closing_returns(tmp_path: Path) -> None:
    async def first() -> Writer:
        writer = Writer(tmp_path, header_for("flight-delay", "replica-1", FEATURES), asyncio.get_running_loop())
        writer.append(decision("first"))
        await writer.commit()
        return writer

    loop = asyncio.new_event_loop()
    writer = loop.run_until_complete(first())
    writer.append(decision("last"))
    writer.commit().add_done_callback(lambda _: None)
    loop.close()
    writer.close()
    assert records(tmp_path) == [decision("first"), decision("last")]


@pytest.mark.parametrize(
    "error", [OSError(24, "Too many open files"), RuntimeError("can't start new thread"), MemoryError(), KeyError("k")]
)
@pytest.mark.parametrize("place", ["before the write", "the sync beside it", "the write", "the log's own sync"])
def test_whatever_a_write_meets_nobody_is_told_it_is_kept_and_the_next_commit_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    broken = False

    def meet(where: str) -> None:
        nonlocal broken
        if broken and where == place:
            broken = False
            raise error

    def flush() -> Callable[[], None]:
        meet("before the write")
        return lambda: meet("the sync beside it")

    real_write, real_sync = disk.write_whole, disk.sync

    def write(descriptor: int, content: bytes) -> None:
        if broken and place == "the write":
            real_write(descriptor, content[: len(content) // 2])
        meet("the write")
        real_write(descriptor, content)

    def sync(descriptor: int) -> None:
        meet("the log's own sync")
        real_sync(descriptor)

    async def scene() -> None:
        nonlocal broken
        async with open_writer(tmp_path, write_ahead=Ahead(flush)) as writer:
            writer.append(decision("kept"))
            await writer.commit()
            monkeypatch.setattr(disk, "write_whole", write)
            monkeypatch.setattr(disk, "sync", sync)
            broken = True
            writer.append(decision("refused"))
            with pytest.raises(Unavailable):
                await writer.commit()
            assert not broken
            with pytest.raises(Unavailable):
                await writer.commit()  # without records it answers for those before
            assert writer.lost == 1
            writer.demand_open()
            writer.append(decision("after"))
            await writer.commit()
            await writer.commit()

    asyncio.run(scene())
    found = [record.decision_id for record in records(tmp_path) if isinstance(record, Decision)]
    assert [name for name in found if name != "refused"] == ["kept", "after"]


def test_a_write_that_breaks_on_the_loop_leaves_nothing_that_breaks_the_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = disk.write_whole

    def half(descriptor: int, content: bytes) -> None:
        real(descriptor, content[: len(content) // 2])
        raise MemoryError

    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.append(decision("kept"))
            await writer.commit()
            with monkeypatch.context() as patch:
                patch.setattr(disk, "write_whole", half)
                writer.append(decision("refused"))
                with pytest.raises(Unavailable):
                    await writer.commit(alone=True)
            writer.append(decision("after"))
            await writer.commit(alone=True)

    asyncio.run(scene())
    assert records(tmp_path) == [decision("kept"), decision("after")]


def test_a_segment_that_cannot_be_closed_does_not_end_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path, limits=WriterLimits(segment_bytes=1)) as writer:
            with monkeypatch.context() as patch:
                patch.setattr(disk, "cut", lambda *_: 1 / 0)
                writer.append(decision("d1"))
                await writer.commit()
                writer.append(decision("d2"))
                await writer.commit()
            writer.append(decision("d3"))
            await writer.commit()

    asyncio.run(scene())
    assert records(tmp_path) == [decision("d1"), decision("d2"), decision("d3")]


def test_nobody_waits_for_a_thread_that_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_segments: RollingSegments, _content: bytes) -> None:
        raise SystemExit

    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            writer.demand_open()
            [thread] = [each for each in threading.enumerate() if each.name == "decision-log-replica-1"]
            monkeypatch.setattr(RollingSegments, "write", die)
            monkeypatch.setattr("threading.excepthook", lambda _: None)
            writer.append(decision("d1"))
            with pytest.raises(Unavailable, match="writer died"):
                await writer.commit()
            thread.join()
            await asyncio.sleep(0)
            with pytest.raises(Unavailable):
                writer.append(decision("d2"))
            with pytest.raises(Unavailable, match="restart this replica"):
                writer.demand_open()

    asyncio.run(scene())


def test_a_writer_is_not_open_while_its_disk_holds_one_write_up_for_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on, ticks, real = threading.Event(), [0.0], disk.sync

    def stuck(descriptor: int) -> None:
        going_on.wait(10.0)
        real(descriptor)

    async def scene() -> None:
        async with open_writer(tmp_path, clock=Clock(ticks=lambda: ticks[0])) as writer:
            writer.append(decision("d1"))
            await writer.commit()
            ticks[0] = 1e6  # nothing to do is not stuck
            writer.demand_open()
            monkeypatch.setattr(disk, "sync", stuck)
            writer.append(decision("d2"))
            committed = writer.commit()
            await asyncio.sleep(0)
            writer.demand_open()
            ticks[0] += STUCK_SECONDS + 1.0
            with pytest.raises(Unavailable, match="held one write up"):
                writer.demand_open()
            going_on.set()
            await committed
            writer.demand_open()

    asyncio.run(scene())


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("durability", ["committed", "buffered"])
def test_a_writer_says_while_its_disk_is_full_and_finds_room_again_without_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, alone: bool
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def until(writer: Writer, is_writable: bool) -> None:
        while True:
            try:
                writer.demand_writable()
            except Unavailable as error:
                assert "make room" in str(error)  # noqa: PT017
                if not is_writable:
                    return
            else:
                if is_writable:
                    return
            await asyncio.sleep(0.001)

    async def scene() -> None:
        async with open_writer(tmp_path, durability, limits=WriterLimits(probe_seconds=0.001)) as writer:
            with monkeypatch.context() as patch:
                patch.setattr(disk, "write_whole", full)
                writer.append(decision("refused"))
                with suppress(Unavailable):
                    await writer.commit(alone=alone)
                await until(writer, is_writable=False)
                writer.demand_open()  # it need not be replaced: another would have no room either
            await until(writer, is_writable=True)
            writer.append(decision("after"))
            await writer.commit(alone=alone)

    asyncio.run(scene())
    assert records(tmp_path) == [decision("after")]


def test_a_record_too_large_for_a_frame_is_refused_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windvane.cluster.decision_log.write.writer.MAX_PAYLOAD_BYTES", 500)

    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            with pytest.raises(TooLarge):
                writer.append(decision("large", "x" * 600))
            writer.append(decision("small"))
            await writer.commit()

    asyncio.run(scene())
    assert records(tmp_path) == [decision("small")]


@pytest.mark.parametrize("value", [1 << 64, "\ud800"])
def test_a_value_that_cannot_be_kept_is_refused_alone(tmp_path: Path, value: Any) -> None:
    async def scene() -> None:
        async with open_writer(tmp_path) as writer:
            with pytest.raises(Invalid, match="cannot be kept"):
                writer.append(msgspec.structs.replace(decision("odd"), context={"k": value}))
            writer.append(decision("fine"))
            await writer.commit()

    asyncio.run(scene())
    assert records(tmp_path) == [decision("fine")]


def test_a_writer_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        with pytest.raises(Invalid, match="cannot be part of a file name"):
            Writer(tmp_path, header_for("m", "../elsewhere", FEATURES), asyncio.get_running_loop())

    asyncio.run(scene())
