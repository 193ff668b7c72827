"""A Ray that has changed: nothing of it serves slower or more open in silence, and who starts it is told why."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.world import OFFSETS, free_port, world
from windvane.cluster.errors import Unavailable, WindvaneError
from windvane.cluster.host.run_folder import shortest
from windvane.cluster.lifecycle import up
from windvane.cluster.runtime import grpc_frontend, haproxy
from windvane.cluster.runtime.processes import mentioning
from windvane.configs.load import load_settings
from windvane.configs.settings import Settings

CALLBACK = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"


def test_a_haproxy_whose_statistics_would_be_open_is_not_started_and_up_says_so(
    machine: ExitStack, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's configuration is renamed on its way to us, as a newer Ray may."""
    machine.close()
    real = grpc_frontend.write

    def write(folder: Path, settings: Settings, control: str) -> None:
        real(folder, settings, control)
        program = grpc_frontend.program(folder)
        renamed = "sed -i 's/^listen stats$/listen figures/' \"$3\"\nexec "  # haproxy -db -f CONFIGURATION
        program.write_text(program.read_text().replace("exec ", renamed, 1))

    monkeypatch.setattr(grpc_frontend, "write", write)
    port = free_port(OFFSETS)
    home = tmp_path_factory.mktemp("changed")
    settings = load_settings(
        {
            "WINDVANE_HOME": str(home),
            "WINDVANE_MODELS": str(home),
            "WINDVANE_PORT": str(port),
            "WINDVANE_DASHBOARD_PORT": str(free_port()),
        }
    )
    with pytest.raises(Unavailable, match=r"section 'listen figures'.*see docs/upgrading-ray"):
        up(settings, lambda _: None)
    run = shortest(home)
    assert run is not None
    assert mentioning(str(run)) == []


def test_a_replica_that_requests_would_reach_through_serve_alone_is_not_deployed(
    machine: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answered all the same, slower and as many at a time as came."""
    machine.close()
    real = haproxy.environment
    monkeypatch.delenv(CALLBACK, raising=False)
    monkeypatch.setenv("RAY_SERVE_MAX_PER_REPLICA_RETRY_COUNT", "1")  # all three would end alike
    monkeypatch.setattr(
        haproxy,
        "environment",
        lambda run, port: {name: value for name, value in real(run, port).items() if name != CALLBACK},
    )
    with world() as place, pytest.raises(WindvaneError, match=f"did not ask this replica's process for {CALLBACK}"):
        place.serve()
