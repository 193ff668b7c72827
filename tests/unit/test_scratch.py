from pathlib import Path

import pytest

from training.scratch import scratch, sweep


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
