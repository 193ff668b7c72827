"""The program in HAProxy's place completes Ray's file where it lies, and hands everything over."""

import os
from pathlib import Path

import pytest

from tests.worlds.rays_haproxy import CONTROL_RUNS, DEPLOYED, STARTED, golden
from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime import haproxy, haproxy_program, haproxy_queue
from windvane.cluster.runtime.haproxy_queue import Queue


def test_rays_file_is_completed_where_it_lies_and_haproxy_gets_what_ray_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "execv", lambda program, words: handed.append((program, words)))
    rays = tmp_path / "node" / "haproxy.cfg"
    rays.parent.mkdir()
    rays.write_text(golden(DEPLOYED))
    haproxy_queue.declare(tmp_path, "trips", Queue(80, 20))

    haproxy_program.main("/bin/haproxy", tmp_path, "control", ["-db", "-f", str(rays), "-sf", "12"])

    given = ["-db", "-f", str(rays), "-sf", "12", "-f", str(tmp_path / "grpc.cfg")]
    assert handed == [("/bin/haproxy", ["/bin/haproxy", *given])]
    assert "maxconn 80" in rays.read_text()
    assert "content-type application/json" not in rays.read_text()  # Ray tells everybody which applications there are
    assert [file.name for file in rays.parent.iterdir()] == ["haproxy.cfg"]


@pytest.mark.parametrize(
    ("rays", "there"),
    [
        (golden(STARTED), False),
        (golden(CONTROL_RUNS).replace("backend grpc-control\n", "backend grpc-controls\n"), False),
        (golden(CONTROL_RUNS), True),
    ],
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


@pytest.mark.parametrize(
    ("rays", "arguments", "named"),
    [
        (golden(DEPLOYED).replace("listen stats", "listen figures"), ["-f", "haproxy.cfg"], "section 'listen figures'"),
        (golden(DEPLOYED).replace("default-server", "servers"), ["-f", "haproxy.cfg"], "'backend http-trips' lacks"),
        (golden(DEPLOYED), ["-C", "haproxy.cfg"], "Ray names 0 configurations"),
        (golden(DEPLOYED), ["-f", "haproxy.cfg", "-f", "more.cfg"], "Ray names 2 configurations"),
    ],
)
def test_a_ray_that_has_changed_gets_no_haproxy_and_the_sentence_is_kept_until_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rays: str, arguments: list[str], named: str
) -> None:
    folder = haproxy.config_path(tmp_path).parent
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    started: list[str] = []
    monkeypatch.setattr(os, "execv", lambda program, _: started.append(program))
    haproxy_queue.declare(folder, "trips", Queue(80, 20))
    Path("haproxy.cfg").write_text(rays)
    with pytest.raises(SystemExit) as ended:
        haproxy_program.main("/bin/haproxy", folder, "control", arguments)
    assert named in str(ended.value.code)
    assert "see docs/upgrading-ray.md" in str(ended.value.code)
    assert Path("haproxy.cfg").read_text() == rays
    with pytest.raises(Unavailable) as told:
        haproxy.demand_started(tmp_path)
    assert str(told.value) == ended.value.code
    assert started == []

    Path("haproxy.cfg").write_text(golden(DEPLOYED))
    haproxy_program.main("/bin/haproxy", folder, "control", ["-f", "haproxy.cfg"])
    haproxy.demand_started(tmp_path)
    assert started == ["/bin/haproxy"]


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    rays = tmp_path / "haproxy.cfg"
    rays.write_text(golden(STARTED))
    with pytest.raises(OSError, match="No such file"):
        haproxy_program.main(str(tmp_path / "none"), tmp_path, "control", ["-f", str(rays)])
