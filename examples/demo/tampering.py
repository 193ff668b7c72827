"""Fourth scene: in a copy of the log one record is changed, and the audit names it."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from windvane.cluster.decision_log.audit.fault import decision_of
from windvane.cluster.decision_log.write.segment import frame, live_names, live_path, read_header, scan
from windvane.cluster.errors import NotFound
from windvane.examples.demo.scene import COMPARING, MODEL, Application, Audit, Audited, Case, Office, Scene, question

TITLE = "Whoever changes the record is caught"


def tampered(
    office: Office, audit: Audit, home: Path, folder: Path, application: Application, features: Sequence[str]
) -> Scene:
    """A decision is made, and changed in copies under `folder`; the log itself stays as it is."""
    case = Case(application, office.decide(MODEL, question(application, features, COMPARING)))
    told = [
        f"The log is copied, with its checkpoints, and audited by the public key alone. The newest decision in it, "
        f"{case.name}, was: {case.action}.",
        "",
        *_shown(whole := audit.verify(take_copy(home, folder / "as-it-is"))),
    ]
    broken = [f"a copy of the log does not verify (exit code {whole.exit_code})"] if whole.exit_code else []
    for name, sentence, change in (
        ("worn", "In one copy a single bit of that record is turned over, as a worn disk might do:", turned),
        ("forged", "In another, somebody wrote approve over decline and made the record's checksum fit:", whitewashed),
    ):
        copy = take_copy(home, folder / name)
        forge(copy, case.name, change)
        audited = audit.verify(copy)
        told += ["", sentence, "", *_shown(audited)]
        if not audited.exit_code:
            broken.append(f"the {name} log verifies")
        elif not any(case.name in line for line in audited.lines):
            broken.append(f"the audit of the {name} log does not name {case.name}")
    return Scene(TITLE, tuple(told), tuple(broken))


def take_copy(home: Path, to: Path) -> Path:
    """The log of a Windvane that goes on writing, and its checkpoints; returns `to`.

    Checkpoints first, so that none vouches for what was not copied yet; live segments before sealed ones, so that one
    which is sealed in between is in either.
    """
    shutil.copytree(home / "audit", to / "audit")
    for part in ("live", "torn", "sealed"):
        for folder in sorted((home / "log").glob(f"*/{part}")):
            shutil.copytree(folder, to / "log" / folder.parent.name / part, copy_function=_if_still_there)
    return to


def forge(home: Path, decision_id: str, change: Callable[[bytes], bytes]) -> None:
    """Put another frame in the place of that decision's; raises NotFound where no live segment has it."""
    root = home / "log" / MODEL
    for name in live_names(root):
        path = live_path(root, name)
        content = path.read_bytes()
        header = read_header(content, name)
        for payload in scan(content, header[1])[0] if header else ():
            if decision_of(payload) == decision_id:
                path.write_bytes(content.replace(frame(payload), change(payload)))
                return
    raise NotFound(f"No live segment of {MODEL} has decision {decision_id}")


def turned(payload: bytes) -> bytes:
    """The record's frame with its last bit turned over."""
    whole = frame(payload)
    return whole[:-1] + bytes([whole[-1] ^ 1])


def whitewashed(payload: bytes) -> bytes:
    """The frame of a record that says approve where this one says decline."""
    return frame(payload.replace(b"decline", b"approve"))


def _shown(audited: Audited) -> list[str]:
    return ["  $ windvane audit verify", *(f"  {line}" for line in audited.lines), f"  exit code {audited.exit_code}"]


def _if_still_there(source: str, target: str) -> None:
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)
