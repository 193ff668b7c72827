"""A power cut in a simulation: what was acknowledged is there after it and can be read, whatever failed before."""

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.decision_log import disk
from cluster.decision_log.personal import Protection, open_personal
from cluster.decision_log.record import Decision
from cluster.decision_log.vault import Vault
from cluster.decision_log.writer import Writer
from cluster.errors import NotFound, Unavailable
from tests.open_writer import FEATURES, decision, open_writer, records
from tests.vault import open_vault


class PowerCut:
    """Knows of every file what its last sync that went well made sure of; `fails` says which syncs do not.

    What SQLite and the key files sync by themselves counts as it stands.
    """

    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.fails: list[bool] = []
        self._kept: dict[Path, bytes] = {}
        patch.setattr(disk, "sync", self._sync)
        patch.setattr(disk, "sync_file", lambda _: None)

    def _sync(self, descriptor: int) -> None:
        if self.fails and self.fails.pop(0):
            raise OSError(5, "Input/output error")
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        self._kept[path] = path.read_bytes()

    def after(self, folder: Path) -> Path:
        """The home as the machine finds it when it is on again."""
        shutil.copytree(self.home, folder, ignore=shutil.ignore_patterns("*-wal", "*-shm", "live"))
        for path, content in self._kept.items():
            if path.exists():
                place = folder / path.relative_to(self.home)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
        return folder


async def ask(writer: Writer, vault: Vault, number: int, subject: str) -> bool:
    """Whether the decision was acknowledged."""
    asked = msgspec.structs.replace(decision(f"d{number}"), subject=subject)
    writer.extend(Protection(vault, FEATURES).protect_all([asked]))
    try:
        await writer.commit(alone=True)
    except Unavailable:
        return False
    return True


def read(home: Path) -> dict[str, str]:
    """Whose decisions stand in the log and can be read."""
    vault, found = open_vault(home), {}
    for record in records(home / "log"):
        assert isinstance(record, Decision)
        assert record.personal is not None
        with suppress(NotFound):  # its key was not kept: it may stand there, and was refused
            revealed = vault.reveal(record.subject, record.decision_id, record.personal)
            found[record.decision_id] = open_personal(revealed).subject
    return found


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.booleans()), min_size=1, max_size=6),
    st.lists(st.booleans(), max_size=8),
)
def test_every_acknowledged_decision_can_be_read_after_a_power_cut(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[str, bool]], fails: list[bool]
) -> None:
    """`asked`: about whom, and whether another process met the subject a moment ago and was killed before its sync."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        power = PowerCut(home, patch)

        async def scenario() -> None:
            vault = open_vault(home)
            async with open_writer(home / "log", before_write=vault.flush, is_due=vault.is_due) as writer:
                power.fails = list(fails)
                acknowledged: dict[str, str] = {}
                for number, (subject, elsewhere) in enumerate(asked):
                    if elsewhere:
                        other = open_vault(home)
                        other.protect(subject, "d", b"")
                        other.flush()
                    if await ask(writer, vault, number, subject):
                        acknowledged[f"d{number}"] = subject
                found = read(power.after(home.with_name(f"{home.name}-after")))
                assert acknowledged.items() <= found.items()
                if not any(fails):
                    assert len(acknowledged) == len(asked)

        asyncio.run(scenario())
