"""The log behind the vault: a group's decisions go on encrypted with their commit, or not at all."""

import asyncio
from pathlib import Path

import pytest

from tests.worlds.gateway.fakes import FakeLog
from tests.worlds.log.decision_log import FEATURES, decision, shadow
from tests.worlds.log.vault import open_vault
from windvane.cluster.decision_log.record import Decision
from windvane.cluster.decision_log.vault.personal import Protection
from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.errors import Unavailable
from windvane.serve_apps.pipeline.protected_log import ProtectedLog


def test_decisions_go_on_with_their_commit_and_everything_else_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        beneath = FakeLog()
        log = ProtectedLog(beneath, Protection(open_vault(tmp_path), FEATURES))
        log.append(decision("d1"))
        log.append(shadow(["d0"]))
        assert beneath.records == [shadow(["d0"])]
        log.append(decision("d2"))
        await log.commit()
        await log.commit()
        assert [each.decision_id for each in beneath.of(Decision)] == ["d1", "d2"]
        assert all(each.personal for each in beneath.of(Decision))

    asyncio.run(scenario())


def test_what_the_vault_cannot_protect_is_not_logged_and_the_next_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Unavailable("the vault does not answer")

    async def scenario() -> None:
        beneath = FakeLog()
        log = ProtectedLog(beneath, Protection(open_vault(tmp_path), FEATURES))
        with monkeypatch.context() as patch:
            patch.setattr(Vault, "protect_all", away)
            log.append(decision("d1"))
            with pytest.raises(Unavailable):
                log.commit()
        log.append(decision("d2"))
        await log.commit()
        assert [each.decision_id for each in beneath.of(Decision)] == ["d2"]

    asyncio.run(scenario())
