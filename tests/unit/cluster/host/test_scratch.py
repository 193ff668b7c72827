import fcntl
from pathlib import Path
from typing import Any

import pytest

from windvane.cluster.host.scratch import scratch, sweep


def test_a_folder_is_gone_with_its_job_also_when_that_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch(tmp_path / "scratch", "loans") as folder:
            (folder / "rows.parquet").write_bytes(b"rows")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list((tmp_path / "scratch").iterdir())


def test_what_a_killed_job_left_is_swept_and_what_a_living_one_has_is_kept(tmp_path: Path) -> None:
    (tmp_path / "loans-dead").mkdir()
    (tmp_path / "loans-dead" / "rows.parquet").write_bytes(b"rows")
    (tmp_path / "loans-dead.lock").touch()
    with scratch(tmp_path, "loans") as folder:
        assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name, f"{folder.name}.lock"]
        assert sweep(tmp_path) == []
        assert folder.is_dir()


def test_there_is_nothing_to_sweep_where_nothing_was_ever_trained(tmp_path: Path) -> None:
    assert sweep(tmp_path / "scratch") == []
    assert not (tmp_path / "scratch").exists()


def test_a_job_whose_lock_is_swept_before_it_holds_it_takes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, swept = fcntl.flock, list[str]()

    def lock(file: Any, how: int) -> None:
        if not swept and how == fcntl.LOCK_EX:
            swept.append("")
            swept[:] = sweep(tmp_path)
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", lock)
    with scratch(tmp_path, "loans") as folder:
        assert len(swept) == 1
        assert folder.name not in swept
        assert sweep(tmp_path) == []
        assert folder.is_dir()
