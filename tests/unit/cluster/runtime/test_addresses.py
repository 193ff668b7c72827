"""Addresses of a Windvane are decided from settings and records alone."""

from pathlib import Path

import psutil
import pytest

from tests.worlds.head_record import record
from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime.addresses import dashboard_url, demand_dashboard, place, url
from windvane.cluster.runtime.processes import mark
from windvane.configs.load import load_settings
from windvane.configs.schema import Settings


def settings_of(home: Path, **variables: str) -> Settings:
    return load_settings({"WINDVANE_HOME": str(home), **variables})


def test_without_a_head_there_is_no_dashboard_and_the_way_on_is_named(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert dashboard_url(settings) is None
    with pytest.raises(Unavailable, match=r"No Windvane is running with home .*: start it with `windvane up`"):
        demand_dashboard(settings)


def test_our_own_head_says_where_its_dashboard_is(tmp_path: Path) -> None:
    head = record(tmp_path, mark(psutil.Process()))
    assert demand_dashboard(settings_of(tmp_path)) == head.dashboard_url


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.0.0.7:6379", "http://127.0.0.1:8277"), ("http://10.0.0.7:8265", "http://10.0.0.7:8265")],
)
def test_an_attached_cluster_comes_before_our_own(tmp_path: Path, address: str, expected: str) -> None:
    record(tmp_path, mark(psutil.Process()))
    settings = settings_of(tmp_path, RAY_ADDRESS=address, WINDVANE_DASHBOARD_PORT="8277")
    assert dashboard_url(settings) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8123"),
        ("0.0.0.0", "http://127.0.0.1:8123"),
        ("::", "http://127.0.0.1:8123"),
        ("10.1.2.3", "http://10.1.2.3:8123"),
        ("::1", "http://[::1]:8123"),
    ],
)
def test_clients_reach_what_listens_on_every_interface_by_loopback(tmp_path: Path, host: str, expected: str) -> None:
    assert url(settings_of(tmp_path, WINDVANE_HOST=host, WINDVANE_PORT="8123")) == expected


def test_the_place_names_every_endpoint(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    found = place(settings, "http://127.0.0.1:8265", started=True)
    assert found.decisions == "http://127.0.0.1:8000/v2/models/<model>/decide"
    assert found.grpc == "127.0.0.1:9000"
    assert found.console == "http://127.0.0.1:8000/console"
    assert found.mlflow_command == f"mlflow ui --backend-store-uri {settings.mlflow_uri}"
    assert found.started_ray
