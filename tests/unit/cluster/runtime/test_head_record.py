"""A head is known by its record."""

from pathlib import Path

import psutil
import pytest

from tests.worlds.head_record import record
from windvane.cluster.runtime.head_record import Head, forget, load, mend_link, save
from windvane.cluster.runtime.processes import Mark, mark


def test_a_head_is_there_while_one_of_its_processes_runs(tmp_path: Path) -> None:
    head = record(tmp_path, Mark(1, 0.0), mark(psutil.Process()))
    assert load(tmp_path) == head


def test_a_head_whose_processes_are_gone_is_none(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    record(tmp_path, Mark(psutil.Process().pid, 0.0))
    assert load(tmp_path) is None


@pytest.mark.parametrize("text", ["", '{"address": "127.0', "[]"])
def test_a_torn_record_is_no_head(tmp_path: Path, text: str) -> None:
    record(tmp_path)
    (tmp_path / "run" / "head.json").write_text(text)
    assert load(tmp_path) is None


def test_a_head_is_remembered_until_it_is_forgotten(tmp_path: Path) -> None:
    head = record(tmp_path)
    running = Head(head.address, head.dashboard_url, head.run, (mark(psutil.Process()),))
    save(tmp_path, running)
    assert load(tmp_path) == running
    forget(tmp_path)
    forget(tmp_path)
    assert load(tmp_path) is None


def test_the_link_of_a_recorded_head_is_put_back(tmp_path: Path) -> None:
    link = tmp_path / "link"
    mend_link(tmp_path)
    assert not link.exists()
    record(tmp_path)
    save(tmp_path, Head("127.0.0.1:6379", "http://127.0.0.1:8265", str(link), ()))
    mend_link(tmp_path)
    assert link.resolve() == (tmp_path / "run").resolve()
