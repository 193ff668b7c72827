"""The SQL store copes with bad URLs, first use by many processes, and a database that is away."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from windvane.cluster.errors import Invalid, Unavailable
from windvane.cluster.sql_store import SqlStore

# One process that forks: to import SQLAlchemy four times takes more than a second.
FOUR_AT_ONCE = """
import os, sys
from windvane.cluster.sql_store import SqlStore

def put(key):
    store = SqlStore(sys.argv[1])
    store.put("k", key, b"", 0)
    store.close()

children = []
for key in "0123":
    child = os.fork()
    if child == 0:
        put(key)
        sys.exit(0)
    children.append(child)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def test_first_use_by_many_processes_at_once_makes_the_tables_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/w.db"
    subprocess.run([sys.executable, "-c", FOUR_AT_ONCE, url], check=True)
    with closing(SqlStore(url)) as store:
        assert [saved.key for saved in store.list("k")] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("url", ["var/windvane.db", "oracel://x/y", ""])
def test_a_url_that_means_nothing_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(Invalid, match=r"cannot be used: .*; write sqlite:///path or postgresql"):
        SqlStore(url)


def test_a_store_that_is_no_database_is_unavailable_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "w.db").write_text("this is no database, though it is long enough to be looked at " * 20)
    with pytest.raises(Unavailable, match=r"w\.db is damaged: file is not a database"):
        SqlStore(f"sqlite:///{tmp_path}/w.db")


def test_a_store_that_is_refused_leaves_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "w.db").write_text("no database " * 100)
    with pytest.raises(Unavailable) as refused:
        SqlStore(f"sqlite:///{tmp_path}/w.db")
    opened = [each.path for each in psutil.Process().open_files()]
    assert str(tmp_path / "w.db") not in opened, refused  # whose traceback holds what was made until then


def test_a_password_in_the_url_is_never_told() -> None:
    with pytest.raises((Invalid, Unavailable)) as caught:
        SqlStore("nosuchbase://user:secret@host/db")
    assert "secret" not in str(caught.value)
