"""Only workers that may become replicas load ahead."""

from pathlib import Path

from windvane.cluster.runtime.preloading import allow, forbid, lean, wanted


def test_only_workers_that_may_become_replicas_load_ahead(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    variables = {"WINDVANE_HOME": str(tmp_path)}
    assert not wanted(variables), "Serve's own actors start first, and would only grow"
    allow(tmp_path)
    assert wanted(variables)
    assert not wanted(variables | lean()["env_vars"])
    assert not wanted({})
    forbid(tmp_path)
    forbid(tmp_path)
    assert not wanted(variables)
