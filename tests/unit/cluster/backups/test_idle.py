"""What may only be done while Windvane is down is refused while anything of it writes."""

from pathlib import Path

import pytest

from tests.worlds.log.decision_log import Segment, skip_syncs, written
from windvane.cluster.backups.idle import demand_idle
from windvane.cluster.errors import Conflict
from windvane.cluster.runtime import addresses
from windvane.configs.load import load_settings

ATTACHED = {"RAY_ADDRESS": "http://127.0.0.1:8265"}


def test_a_home_without_a_log_is_idle(tmp_path: Path) -> None:
    demand_idle(load_settings({"WINDVANE_HOME": str(tmp_path)}))


def test_a_head_of_its_own_that_runs_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "dashboard_url", lambda _: "http://127.0.0.1:8265")
    with pytest.raises(Conflict, match="Windvane is running: `windvane down` first"):
        demand_idle(load_settings({"WINDVANE_HOME": str(tmp_path)}))


@pytest.mark.parametrize("variables", [{}, ATTACHED], ids=["own cluster", "attached"])
def test_nor_is_one_of_which_a_process_writes_whatever_cluster_it_is_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    skip_syncs(monkeypatch)
    settings = load_settings({"WINDVANE_HOME": str(tmp_path), **variables})
    written(settings.log / "churn", opened_at=1.0)
    demand_idle(settings)
    held = Segment(settings.log / "churn", opened_at=2.0)
    with pytest.raises(Conflict, match=f"A process still writes to .*{held.name}"):
        demand_idle(settings)
    held.close()
    demand_idle(settings)
