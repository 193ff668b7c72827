"""Seals: what a whole segment is sealed with, and what was written or sealed before there were any."""

from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from tests.worlds.log.audit_world import LOG, World
from tests.worlds.log.decision_log import COLUMNS, FEATURES, decision, outcome, skip_syncs
from windvane.cluster.decision_log.audit.chain_heads import seals
from windvane.cluster.decision_log.read import merkle
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.read.seal import MARK, sealed
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Record
from windvane.cluster.decision_log.write.chain import begin, extend
from windvane.cluster.decision_log.write.segment import (
    UNCHAINED,
    Header,
    frame,
    frames,
    live_path,
    preamble,
    sealed_path,
)
from windvane.cluster.errors import Invalid

RECORDS: tuple[Record, ...] = (decision("d1"), outcome("d1"), decision("d2"))
PAYLOADS = [msgspec.msgpack.encode(record) for record in RECORDS]


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


def test_every_file_of_a_segment_says_what_it_was_sealed_with(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(*RECORDS[:2])
    world.write(RECORDS[2])
    world.writer.roll(now=True)
    (name,) = (path.stem for path in (world.root / "live").glob("*.seg"))
    first = world.live(name).read_bytes()
    world.seal()
    seal, other = seals(world.root, name)
    assert seal is not None
    assert seal == other
    assert (seal.segment, seal.records) == (name, 3)
    assert first.startswith(seal.preamble)
    assert seal.root == merkle.root(merkle.leaves(PAYLOADS))
    after = extend(begin(seal.preamble), frames(PAYLOADS[:2]))
    assert seal.head == extend(after, frame(PAYLOADS[2]))
    links = {
        row["position"]: row["link"]
        for dataset in ("decisions", "outcomes")
        for row in pq.read_table(sealed_path(world.root, dataset, name)).to_pylist()
    }
    assert links == {0: None, 1: after, 2: seal.head}


def test_what_no_link_covers_is_not_sealed(tmp_path: Path) -> None:
    content = preamble(Header(LOG, "w", 1.0, COLUMNS)) + frames(PAYLOADS)
    start = len(content) - len(frames(PAYLOADS))
    payloads, _, seal, end = sealed("w-1", content, start)
    assert (payloads, end, seal.records, seal.root) == ([], start, 0, merkle.EMPTY)


def test_a_chain_that_does_not_hold_is_not_sealed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(*RECORDS)
    (path,) = (world.root / "live").glob("*.seg")
    content = path.read_bytes()
    start = content.index(frame(PAYLOADS[0]))
    swapped = content[:start] + frames(PAYLOADS[::-1]) + content[start + len(frames(PAYLOADS)) :]
    with pytest.raises(Invalid, match="its chain does not hold"):
        sealed(path.stem, swapped, start)


def unchained(root: Path) -> str:
    """A segment as it was written before there were links."""
    name = f"w-{10**9:019d}"
    live_path(root, name).parent.mkdir(parents=True)
    header = msgspec.to_builtins(Header(LOG, "w", 1.0, COLUMNS))
    del header["previous"]
    live_path(root, name).write_bytes(UNCHAINED + frame(msgspec.msgpack.encode(header)) + frames(PAYLOADS))
    return name


def test_format_1_is_read_sealed_and_vouched_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    name = unchained(world.root)
    assert Tail(world.root).read() == list(RECORDS)
    assert world.verify().faults == ()
    world.seal()
    assert Tail(world.root).read() == list(RECORDS)
    assert Query(world.root, FEATURES).sql("SELECT count(*) AS n FROM decisions").to_pylist() == [{"n": 2}]
    assert world.checkpoint(at=1e6) == []
    report = world.verify()
    assert (report.records, report.faults) == (3, ())
    world.rewrite("decisions", name, lambda rows: rows[:1])
    assert {fault.kind for fault in world.verify().faults} == {"missing"}


def test_what_was_sealed_before_there_were_seals_is_vouched_for_as_it_stands(tmp_path: Path) -> None:
    world = World(tmp_path)
    name = unchained(world.root)
    world.seal()
    for dataset in ("decisions", "outcomes"):  # as the sealer left them then
        path = sealed_path(world.root, dataset, name)
        table = pq.read_table(path).drop_columns(["leaf", "link"])
        pq.write_table(table.replace_schema_metadata({MARK: table.schema.metadata[MARK]}), path)
    assert world.checkpoint(at=1e6) == []
    assert world.verify().faults == ()
    world.rewrite("decisions", name, lambda rows: rows[:1])
    (fault,) = world.verify().faults
    assert (fault.kind, fault.place) == ("changed", f"{LOG}/{name}")
    assert "its 2 records are not the 3" in fault.detail
