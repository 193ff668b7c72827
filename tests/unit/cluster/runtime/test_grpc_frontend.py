"""Our frontend in Ray's HAProxy: what is written, and that the real one takes it beside Ray's part."""

import subprocess
from pathlib import Path

import pytest

from tests.worlds.rays_haproxy import APPLICATIONS, DEPLOYED, lay
from windvane.cluster.runtime import grpc_frontend, haproxy, haproxy_program, haproxy_queue
from windvane.cluster.runtime.haproxy_queue import Queue
from windvane.configs.load import load_settings
from windvane.configs.settings import Settings


def settings(**variables: str) -> Settings:
    return load_settings({"WINDVANE_HOME": "/h", "WINDVANE_PORT": "8123", **variables})


@pytest.mark.parametrize(
    ("host", "bound"),
    [
        ("127.0.0.1", "bind 127.0.0.1:9123 "),
        ("0.0.0.0", "bind *:9123 "),
        ("::", "bind *:9123 "),
        ("::1", "bind ::1:9123 "),
    ],
)
def test_it_listens_where_http_does_on_a_port_of_its_own(tmp_path: Path, host: str, bound: str) -> None:
    grpc_frontend.write(tmp_path / "h", settings(WINDVANE_HOST=host), "control")
    assert bound in (tmp_path / "h" / "grpc.cfg").read_text()


@pytest.mark.parametrize("state", APPLICATIONS)
def test_rays_haproxy_takes_it_beside_rays_own_configuration(tmp_path: Path, state: str) -> None:
    rays = tmp_path / "it's rays.cfg"
    lay(state, rays)
    folder = tmp_path / "a folder"
    grpc_frontend.write(folder, settings(), "control")
    haproxy_queue.declare(folder, "trips", Queue(80, 20))
    words = [str(grpc_frontend.program(folder)), "-c", "-f", str(rays)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr.count("ALERT")) == (0, 0), done.stderr
    assert ("maxconn 80" in rays.read_text()) is (state == DEPLOYED)


def test_a_refusal_of_another_start_is_forgotten(tmp_path: Path) -> None:
    folder = haproxy.config_path(tmp_path).parent
    folder.mkdir()
    (folder / haproxy_program.REFUSAL).write_text("HAProxy is not started")
    grpc_frontend.write(folder, settings(), "control")
    haproxy.demand_started(tmp_path)


def test_rays_own_frontend_keeps_out_of_the_way_except_in_a_cluster_that_is_not_ours() -> None:
    assert grpc_frontend.rays_port(settings()) == 9325
    assert grpc_frontend.rays_port(settings(RAY_ADDRESS="10.0.0.7:6379")) == 9123


def test_two_windvanes_of_one_user_share_no_port_of_their_replicas(tmp_path: Path) -> None:
    """They listen with SO_REUSEPORT, so that each would get requests of the other."""
    ports: list[int] = []
    for port in (8000, 8001, 18000, 28000, 28400):
        chosen = haproxy.environment(tmp_path, port)
        first, last = (int(chosen[f"RAY_SERVE_DIRECT_INGRESS_{end}_GRPC_PORT"]) for end in ("MIN", "MAX"))
        ports += range(first, last + 1)
    assert len(set(ports)) == 500
    assert max(ports) < 65_536
