"""An erasure that happened anywhere is heard of within a look, and what was remembered of the subject goes."""

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worlds.gateway.world import settled
from tests.worlds.log.vault import open_vault
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.decision_log.vault.subject_keys import Erasure
from windvane.cluster.errors import Unavailable
from windvane.serve_apps.sync.erasures import Erasures


def test_a_look_forgets_whom_another_process_erased(tmp_path: Path) -> None:
    vault, elsewhere = open_vault(tmp_path), open_vault(tmp_path)

    def key_id(subject: str) -> bytes:
        return vault.protect(subject, "d", b"").personal[1:9]

    before = [key_id(subject) for subject in ("Ana", "Ben")]
    vault.flush()
    remembered = ["Ana", "Ben", "Cem"]

    def forget(erased: Callable[[str], bool]) -> None:
        remembered[:] = [subject for subject in remembered if not erased(subject)]

    erasures = Erasures(vault, forget)
    asyncio.run(erasures.look())
    assert remembered == ["Ana", "Ben", "Cem"]
    elsewhere.erase("Ana", 5.0)
    elsewhere.erase("Cem", 5.0)  # nobody here has a key of
    asyncio.run(erasures.look())
    assert remembered == ["Ben"]
    assert [key_id(subject) == key for subject, key in zip(("Ana", "Ben"), before, strict=True)] == [False, True]


def test_what_could_not_be_forgotten_is_forgotten_with_the_next_look(tmp_path: Path) -> None:
    vault, tries = open_vault(tmp_path), list[bool]()

    def forget(erased: Callable[[str], bool]) -> None:
        tries.append(erased("Ana"))
        if len(tries) == 1:
            raise LookupError

    erasures = Erasures(vault, forget)
    open_vault(tmp_path).erase("Ana", 1.0)
    with pytest.raises(LookupError):
        asyncio.run(erasures.look())
    asyncio.run(erasures.look())
    asyncio.run(erasures.look())
    assert tries == [True, True]


def test_whatever_a_look_meets_the_next_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = 0

    async def scenario() -> None:
        nonlocal looks
        erasures = Erasures(open_vault(tmp_path), lambda _: None, seconds=0.0)

        async def look() -> None:
            nonlocal looks
            looks += 1
            raise LookupError

        monkeypatch.setattr(erasures, "look", look)
        erasures.start()
        await settled(lambda: looks > 1)
        await erasures.stop()

    asyncio.run(scenario())
    assert "it goes on" in caplog.text


def test_a_vault_that_does_not_answer_is_told_of_once_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    vault = open_vault(tmp_path)
    forgotten: list[object] = []
    erasures = Erasures(vault, forgotten.append)

    def away(*_: object) -> object:
        raise Unavailable("the vault does not answer")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(SqliteSubjectKeys, "erasures", away)
        asyncio.run(erasures.look())
        asyncio.run(erasures.look())
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "It is not known which subjects were erased"
    ]
    open_vault(tmp_path).erase("Ana", 1.0)
    asyncio.run(erasures.look())
    assert len(forgotten) == 1


def test_a_disk_that_is_slow_delays_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault, asked, go_on = open_vault(tmp_path), threading.Event(), threading.Event()

    def slow() -> tuple[Erasure, ...]:
        asked.set()
        assert go_on.wait(30.0)
        return ()

    async def scenario() -> None:
        looking = asyncio.ensure_future(Erasures(vault, lambda _: None).look())
        await settled(asked.is_set)  # the loop goes on meanwhile
        assert not looking.done()
        go_on.set()
        await looking

    monkeypatch.setattr(vault, "unheard", slow)
    asyncio.run(scenario())
