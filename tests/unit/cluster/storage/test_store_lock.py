"""A lock that processes share: one holds it at a time, and a holder that is killed holds it no more."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from windvane.cluster.errors import Unavailable
from windvane.cluster.storage.store_lock import store_lock

HOLDER = """
import sys
from windvane.cluster.storage.store_lock import store_lock
with store_lock(sys.argv[1], "deploy"):
    print("held", flush=True)
    sys.stdin.read()
"""


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/new/w.db"


def test_a_holder_that_is_killed_holds_it_no_more(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, url(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        env=os.environ | {"PYTHONPATH": "."},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(Unavailable, match=f"process {holder.pid} holds the lock 'deploy'"),
            store_lock(url(tmp_path), "deploy", patience_seconds=0.0),
        ):
            raise AssertionError("both hold it")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with store_lock(url(tmp_path), "deploy", patience_seconds=0.0):
        pass


def test_threads_take_it_in_turn(tmp_path: Path) -> None:
    inside, most = 0, 0

    def take() -> None:
        nonlocal inside, most
        with store_lock(url(tmp_path), "deploy"):
            inside += 1
            most = max(most, inside)
            inside -= 1

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)


def test_what_goes_wrong_while_it_is_held_lets_go_of_it(tmp_path: Path) -> None:
    with pytest.raises(LookupError), store_lock(url(tmp_path), "deploy"):
        raise LookupError
    with store_lock(url(tmp_path), "deploy", patience_seconds=0.0), store_lock(url(tmp_path), "another"):
        pass


def test_a_lock_that_cannot_be_asked_says_so_and_no_password(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("in the way")
    with pytest.raises(Unavailable, match="make its folder writable"), store_lock(url(tmp_path), "deploy"):
        pass
    with pytest.raises(Unavailable) as told, store_lock("postgresql+nosuchdriver://me:secret@db/w", "deploy"):
        pass
    assert "secret" not in str(told.value)
