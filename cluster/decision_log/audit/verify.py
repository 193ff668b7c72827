"""Verifies that the log is what was written: `verify` over a whole log, and by itself over one proof.

    python -m windvane.cluster.decision_log.audit.verify proof.json --fingerprint HEX

The second needs nothing of a Windvane but this code: the proof carries the record, its way to the root, and the signed
checkpoint that names the root. Whose key signed it is for the reader to know: compare the fingerprint.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from windvane.cluster.decision_log.audit.chain_heads import is_sealed, sealed_names
from windvane.cluster.decision_log.audit.checkpoint import (
    CheckpointState,
    Vouched,
    Witnessed,
    follow_all,
    opened_at,
    unknown,
)
from windvane.cluster.decision_log.audit.checkpoints import lines_of
from windvane.cluster.decision_log.audit.fault import Fault
from windvane.cluster.decision_log.audit.inspected import Inspected
from windvane.cluster.decision_log.audit.live_inspection import inspect_live
from windvane.cluster.decision_log.audit.proof import check, read
from windvane.cluster.decision_log.audit.sealed_inspection import inspect_sealed
from windvane.cluster.decision_log.write.live import claim
from windvane.cluster.decision_log.write.segment import is_tear, live_names, live_path, next_link
from windvane.cluster.errors import Invalid

_PER_PROCESS = 40  # segments that take as long as starting a process: some seconds


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Parts that were looked at, and what is wrong; `notices` are what an honest kill leaves behind too."""

    records: int
    segments: int
    checkpoints: int
    faults: tuple[Fault, ...]
    notices: tuple[str, ...] = ()
    oldest: float = float("inf")  # Unix seconds at which the first of the segments was opened; 0 where one does not say


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What tells of the checkpoints beside their file: their second place, and the newest that the store remembers."""

    copy: Path | None = None
    newest: Witnessed | None = None


NO_WITNESSES = Witnesses()


def verify(
    logs: Path,
    checkpoints: Path,
    keys: Sequence[Ed25519PublicKey],
    *,
    since: float = 0.0,
    until: float = float("inf"),
    witnesses: Witnesses = NO_WITNESSES,
    processes: int | None = None,
) -> VerifyReport:
    """Every log under `logs` against its own chain, its seals and all checkpoints; [since, until) in Unix seconds.

    Segments are looked at that were opened before `until`, and not before the last that was opened before `since`.
    `keys` are the ones that may have signed. Without `processes` there are as many as it pays to start.
    """
    notices: list[str] = []
    standing, faults = follow_all(_lines(checkpoints, notices), keys, witnesses.newest)
    if witnesses.copy is not None:
        faults += _against_copy(_lines(checkpoints, []), _lines(witnesses.copy, notices))
    records, segments = 0, 0
    here: set[tuple[str, str]] = set()
    chosen = [
        (log, name)
        for log in _logs(logs)
        for name in _between(_names(log), since, until)
        if (log.name, name) not in standing.retired  # their time is over, and a kill may have come before their end
    ]
    ends: dict[tuple[str, str], set[bytes]] = {}
    with _mapping(processes or min(os.cpu_count() or 1, 1 + len(chosen) // _PER_PROCESS)) as mapping:
        for (root, name), looked_at in zip(chosen, mapping(inspect, chosen), strict=True):
            here.add((root.name, name))
            for whole in looked_at:
                found = _up_to_tear(whole, standing.segments.get((root.name, name)))
                records, segments = records + found.records, segments + 1
                faults += found.faults
                faults += _against_checkpoints(found, standing, root.name, name)
                faults += _against_previous(found, root, name, ends, standing)
                if found.unlinked_bytes and not _is_held(root, name):
                    notices.append(
                        f"{found.place}: {found.unlinked_bytes} bytes after its last group, as a kill leaves"
                    )
                faults += _torn(root, name, found)
    faults += _gone(standing, here, since, until)
    oldest = min((opened_at(name) for _, name in chosen), default=float("inf"))
    return VerifyReport(records, segments, standing.number, tuple(faults), tuple(notices), oldest)


def inspect(place: tuple[Path, str]) -> list[Inspected]:
    """The segment as it is live, or else as it is sealed: a kill may leave both, and then it is sealed anew."""
    root, name = place
    path = live_path(root, name)
    found: list[Inspected] = []
    with suppress(FileNotFoundError):
        found.append(inspect_live(root.name, name, path.read_bytes()))
    if not found and is_sealed(root, name):
        found.append(inspect_sealed(root, name))
    return found


@contextmanager
def _mapping(processes: int) -> Iterator[Callable[..., Iterable[list[Inspected]]]]:
    """`map`, over as many processes; they are fresh ones, since a fork takes the caller's threads' locks along."""
    if processes == 1:
        yield map
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield pool.map


def _logs(logs: Path) -> list[Path]:
    return sorted(path for path in logs.iterdir() if path.is_dir()) if logs.is_dir() else []


def _lines(path: Path, notices: list[str]) -> Iterator[bytes]:
    for line, whole in lines_of(path):
        if whole:
            yield line
        else:
            notices.append(f"{path}: {len(line)} bytes after its last checkpoint, as a kill leaves")


def _up_to_tear(found: Inspected, vouched: Vouched | None) -> Inspected:
    """A power cut explains a tear behind everything that was signed, and none before: that had been synced."""
    least = 0 if vouched is None else vouched.records
    return found if found.tear is None or found.tear.records < least else found.without_tear()


def _against_copy(lines: Iterable[bytes], copy: Iterable[bytes]) -> list[Fault]:
    for number, (one, other) in enumerate(zip_longest(lines, copy), 1):
        if other is None:
            return []
        if one is None:
            return [Fault("missing", f"checkpoint {number}", "and what follows stands in the second place only")]
        if one != other:
            return [Fault("changed", f"checkpoint {number}", "is another one in the second place")]
    return []


def _names(root: Path) -> list[str]:
    return sorted({*live_names(root), *sealed_names(root)}, key=lambda name: (name.rpartition("-")[2], name))


def _between(names: Iterable[str], since: float, until: float) -> list[str]:
    """Of each writer the segments that may hold records of that time, oldest first."""
    chosen: list[str] = []
    before: dict[str, str] = {}
    for name in names:
        writer = name.rpartition("-")[0]
        if opened_at(name) < since:
            before[writer] = name
        elif opened_at(name) < until:
            chosen.append(name)
    return [*sorted(before.values(), key=opened_at), *chosen]


def _against_checkpoints(found: Inspected, standing: CheckpointState, log: str, name: str) -> list[Fault]:
    vouched = standing.segments.get((log, name))
    if vouched is None:
        late = unknown(standing, log, name) if found.records else None
        return [late] if late else []
    wrong = _against_heads(found, (standing.heads or {}).get((log, name), {}))
    if vouched.root is not None:
        return _against_root(found, vouched) or wrong
    if not wrong and vouched.records in found.heads:
        return []
    if found.records < vouched.records:
        detail = f"records from here to {vouched.records - 1} were vouched for and are gone"
        return [Fault("cut", found.place, detail, found.records)]
    return wrong


def _against_heads(found: Inspected, vouched: Mapping[int, str]) -> list[Fault]:
    """Its chain must pass through every head that was ever vouched for, not only through the newest."""
    if found.faults:
        return []  # what they name is why
    for records, head in sorted(vouched.items()):
        if found.heads.get(records, b"").hex() != head:
            return [Fault("changed", found.place, f"its first {records} records are not those that were vouched for")]
    return []


def _against_root(found: Inspected, vouched: Vouched) -> list[Fault]:
    head = found.heads.get(found.records)
    if (found.records, found.root.hex()) == (vouched.records, vouched.root) and (head.hex() if head else None) == (
        vouched.head
    ):
        return []
    if found.faults:
        return []
    detail = f"its {found.records} records are not the {vouched.records} that a checkpoint vouches for"
    return [Fault("changed", found.place, detail)]


def _against_previous(
    found: Inspected, root: Path, name: str, ends: dict[tuple[str, str], set[bytes]], standing: CheckpointState
) -> list[Fault]:
    """The segment that its writer wrote before must end as this one's header says; `ends` are those seen so far."""
    log = root.name
    if found.heads:
        ends.setdefault((log, name), set()).add(found.heads[max(found.heads)])
    if found.header is None or found.header.previous is None:
        return []
    before = found.header.previous
    seen = ends.get((log, before.segment))
    if seen is None:
        elsewhen = live_path(root, before.segment).exists() or is_sealed(root, before.segment)
        if elsewhen or (log, before.segment) in standing.retired:
            return []
        return [Fault("missing", f"{log}/{before.segment}", f"is gone, and {name} follows from it")]
    if before.head in seen or not before.sure:
        return []
    return [Fault("cut", f"{log}/{before.segment}", f"does not end as {name} says, which its writer wrote next")]


def _torn(root: Path, name: str, found: Inspected) -> list[Fault]:
    """Fault of damage in the middle: sealing set whole groups aside, and no power cut left them so."""
    path = root / "torn" / f"{name}.bin"
    if not path.exists() or live_path(root, name).exists():
        return []
    left = path.read_bytes()
    durability = "committed" if found.header is None else found.header.durability
    if next_link(left) is None or is_tear(left, 0, durability, found.ends):
        return []
    return [Fault("damaged", f"{root.name}/{name}", f"whole groups follow after the damage; they lie in {path}")]


def _is_held(root: Path, name: str) -> bool:
    with claim(live_path(root, name)) as descriptor:
        return descriptor is None


def _gone(standing: CheckpointState, here: set[tuple[str, str]], since: float, until: float) -> Iterator[Fault]:
    """Segments that checkpoints vouch for and that are nowhere."""
    for (log, name), vouched in standing.segments.items():
        if not vouched.records and vouched.root is None:
            continue  # it was opened, and nothing came
        if (log, name) in here or (log, name) in standing.retired or not since <= opened_at(name) < until:
            continue
        yield Fault("missing", f"{log}/{name}", f"is gone with its {vouched.records} records")


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one proof; 0 when it holds."""
    parser = argparse.ArgumentParser(
        prog="python -m windvane.cluster.decision_log.audit.verify", description="Check one proof."
    )
    parser.add_argument("proof", type=Path)
    parser.add_argument("--fingerprint", help="of the key that must have signed, as you know it from elsewhere")
    order = parser.parse_args(arguments)
    try:
        proof = read(order.proof.read_bytes())
        sys.stdout.write(f"{check(proof, order.fingerprint)}\n")
    except (Invalid, OSError) as error:
        sys.stderr.write(f"{order.proof}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
