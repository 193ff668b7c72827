"""What stands in HAProxy's place: completes Ray's file where it lies, and hands everything over."""

import os
from pathlib import Path

import pytest

from windvane.cluster.runtime import haproxy_program, haproxy_queue
from windvane.cluster.runtime.haproxy_queue import Queue

ROUTES = (
    '    http-request return status 200 content-type application/json string "{\\"/v2/models/trips\\":1}" if routes\n'
)
BACKEND = "backend http-trips\n    default-server check\n    server a 127.0.0.1:1\n"


def test_rays_file_is_completed_where_it_lies_and_haproxy_gets_what_ray_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "execv", lambda program, words: handed.append((program, words)))
    rays = tmp_path / "node" / "haproxy.cfg"
    rays.parent.mkdir()
    rays.write_text(ROUTES + BACKEND)
    haproxy_queue.declare(tmp_path, "trips", Queue(80, 20))

    haproxy_program.main("/bin/haproxy", tmp_path, "control", ["-db", "-f", str(rays), "-sf", "12"])

    given = ["-db", "-f", str(rays), "-sf", "12", "-f", str(tmp_path / "grpc.cfg")]
    assert handed == [("/bin/haproxy", ["/bin/haproxy", *given])]
    assert "maxconn 80" in rays.read_text()
    assert "/v2/models/trips" not in rays.read_text()  # Ray tells everybody which applications there are
    assert [file.name for file in rays.parent.iterdir()] == ["haproxy.cfg"]


@pytest.mark.parametrize(
    ("rays", "there"),
    [(BACKEND, False), (BACKEND + "backend grpc-controls\n", False), ("backend grpc-control\n", True)],
)
def test_haproxy_is_told_whether_control_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rays: str, there: bool
) -> None:
    """A default that is no backend would keep HAProxy from starting."""
    monkeypatch.setenv(haproxy_program.CONTROL_IS_THERE, "of another start")
    monkeypatch.setattr(os, "execv", lambda *_: None)
    (tmp_path / "haproxy.cfg").write_text(rays)
    haproxy_program.main("/bin/haproxy", tmp_path, "control", ["-f", str(tmp_path / "haproxy.cfg")])
    assert os.environ.get(haproxy_program.CONTROL_IS_THERE) == ("1" if there else None)


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    rays = tmp_path / "haproxy.cfg"
    rays.write_text(BACKEND)
    with pytest.raises(OSError, match="No such file"):
        haproxy_program.main(str(tmp_path / "none"), tmp_path, "control", ["-f", str(rays)])
