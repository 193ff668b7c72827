"""Obstacles are said before anything is started, each in a sentence with what to do."""

from dataclasses import replace

import pytest

from tests.worlds.machines import FINE
from windvane.cluster.errors import Unavailable
from windvane.cluster.host.machine import Machine
from windvane.cluster.host.preconditions import Check, examine
from windvane.cluster.lifecycle import demand
from windvane.configs.load import load_settings
from windvane.configs.settings import Settings


def settings_of(**variables: str) -> Settings:
    return load_settings({"WINDVANE_HOME": "/srv/wv", **variables})


def told(machine: Machine, state: str, running: bool = False, **variables: str) -> list[str]:
    checks = examine(settings_of(**variables), machine, running)
    return [check.sentence for check in checks if check.state == state]


def test_nothing_stands_in_the_way_of_a_fine_machine() -> None:
    checks = examine(settings_of(), FINE)
    assert {check.state for check in checks} == {"ok"}
    assert checks[-1] == Check("ports", "ok", "8000, 8404, 8500, 9101, 9500, 10001, 9000, 9202, 8265")
    demand(checks)


@pytest.mark.parametrize(
    ("port", "words"),
    [
        (8000, "Port 8000 (decisions and the console) is in use by nginx (process 7): end it, or choose another"),
        (8404, "Port 8404 (HAProxy's statistics, which is WINDVANE_PORT + 404) is in use by nginx"),
        (8500, "Port 8500 (Ray Serve's fallback proxy, which is WINDVANE_PORT + 500) is in use by nginx"),
        (9101, "Port 9101 (HAProxy's metrics, which is WINDVANE_PORT + 1101) is in use by nginx"),
        (9500, "Port 9500 (Ray Serve's fallback gRPC proxy, which is WINDVANE_PORT + 1500) is in use by nginx"),
        (10_001, "Port 10001 (Ray Client, which is WINDVANE_PORT + 2001) is in use by nginx"),
        (9000, "Port 9000 (decisions over gRPC) is in use by nginx"),
        (9202, "Port 9202 (Ray Serve's own gRPC frontend, which is WINDVANE_GRPC_PORT + 202) is in use by nginx"),
        (8265, "Port 8265 (the Ray dashboard) is in use by nginx (process 7): end it, or choose another WINDVANE_DAS"),
    ],
)
def test_whichever_port_is_taken_is_named_with_its_holder_and_its_setting(port: int, words: str) -> None:
    """Some were found out by Ray or HAProxy, 12 to 23 s later, with 22 processes left behind."""
    taken = replace(FINE, listeners={port: "nginx (process 7)"})
    (sentence,) = told(taken, "stop")
    assert sentence.startswith(words)
    assert told(taken, "stop", running=True) == []


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"WINDVANE_PORT": "64500", "WINDVANE_GRPC_PORT": "9000"}, "choose a WINDVANE_PORT of at most 63534"),
        ({"WINDVANE_PORT": "65535", "WINDVANE_GRPC_PORT": "9000"}, "choose a WINDVANE_PORT of at most 63534"),
        ({"WINDVANE_GRPC_PORT": "65400"}, "Port 65602 (Ray Serve's own gRPC frontend, which is WINDVANE_GRPC_PORT"),
        ({"WINDVANE_PORT": "80", "WINDVANE_GRPC_PORT": "9000"}, "Port 80 (decisions and the console) is below 1024"),
        ({"WINDVANE_DASHBOARD_PORT": "8404"}, "Port 8404 is wanted twice, for HAProxy's statistics and for the Ray"),
        ({"WINDVANE_DASHBOARD_PORT": "8000"}, "Port 8000 is wanted twice, for decisions and the console and for the"),
        ({"WINDVANE_GRPC_PORT": "8000"}, "Port 8000 is wanted twice"),
        ({"WINDVANE_DASHBOARD_PORT": "30500"}, "Port 30500 (the Ray dashboard) is among those that replicas take"),
        ({"WINDVANE_DASHBOARD_PORT": "44010"}, "Port 44010 (the Ray dashboard) is among those that replicas take"),
    ],
)
def test_a_port_that_cannot_be_is_named_with_one_that_can(variables: dict[str, str], words: str) -> None:
    assert words in "\n".join(told(FINE, "stop", False, **variables))


def test_the_highest_port_of_a_setting_speaks_for_all_that_are_too_high() -> None:
    assert len(told(FINE, "stop", WINDVANE_PORT="65000", WINDVANE_GRPC_PORT="9000")) == 1


@pytest.mark.parametrize("port", ["64500", "65131", "65535"])
def test_a_grpc_port_that_nobody_wrote_is_not_blamed_for_the_http_port(port: str) -> None:
    (sentence,) = told(FINE, "stop", WINDVANE_PORT=port)
    derived = f"Port {int(port) + 2001} (Ray Client, which is WINDVANE_PORT + 2001)"
    assert sentence == f"{derived} is above 65535: choose a WINDVANE_PORT of at most 63534."


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (replace(FINE, home_obstacle="/srv is a file"), "/srv is a file: choose another folder with WINDVANE_HOME"),
        (replace(FINE, runs_programs=False), "/srv/wv lies on a disk that is mounted noexec"),
        (replace(FINE, socket_folder=None), "choose a WINDVANE_HOME of at most 20 letters, digits"),
        (replace(FINE, disk_free_bytes=10**8), "0.1 GB free on the disk of WINDVANE_HOME, and decisions have to be"),
        (replace(FINE, memory_free_bytes=5 * 10**8), "0.5 GB free, and Ray with control takes 1.3 GB: end something"),
        (replace(FINE, open_files=256), "a process may have 256 files open, and Ray needs 1024: raise it"),
        (replace(FINE, host_is_here=False), "WINDVANE_HOST=127.0.0.1 is no address of this machine"),
        (replace(FINE, wrong_versions=("ray 2.59.0, and 2.60.0 is needed",)), "install Windvane into an environment"),
    ],
)
def test_what_stops_says_what_to_do(machine: Machine, words: str) -> None:
    (sentence,) = told(machine, "stop")
    assert words in sentence
    with pytest.raises(Unavailable) as caught:
        demand(examine(settings_of(), machine))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (replace(FINE, said_user="somebody-else"), "LOGNAME says somebody-else, but the user is ada"),
        (replace(FINE, disk_used_share=0.97), "97% full: beyond 95% Ray keeps nothing on it"),
        (replace(FINE, disk_free_bytes=10**9), "1.0 GB free"),
        (replace(FINE, file_system="nfs4"), "WINDVANE_HOME lies on nfs4"),
        (replace(FINE, memory_free_bytes=2 * 10**9), "each model takes 0.6 GB"),
        (replace(FINE, shared_memory_bytes=64 * 2**20), "docker run --shm-size=1g"),
        (replace(FINE, keeps_bytecode=False), "PYTHONDONTWRITEBYTECODE is set"),
    ],
)
def test_what_had_better_be_otherwise_stops_nothing(machine: Machine, words: str) -> None:
    (sentence,) = told(machine, "warning")
    assert words in sentence
    demand(examine(settings_of(), machine))


@pytest.mark.parametrize("home", ["/srv/a?b", "/srv/a#b", "/srv/a%20b", "/srv/a\nb"])
def test_a_home_that_no_database_address_can_name_is_refused(home: str) -> None:
    (sentence,) = told(FINE, "stop", WINDVANE_HOME=home)
    assert "choose another folder with WINDVANE_HOME" in sentence


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = replace(FINE, listeners={8404: "nginx (process 7)", 8265: "ray"}, disk_free_bytes=0)
    with pytest.raises(Unavailable) as caught:
        demand(examine(settings_of(), wrong))
    assert len(str(caught.value).splitlines()) == 3


def test_a_running_windvane_says_how_many_more_models_there_is_memory_for() -> None:
    full = replace(FINE, memory_free_bytes=5 * 10**8)
    assert told(full, "warning", running=True) == ["0.5 GB free: room for 0 more models of 0.6 GB each"]


def test_of_a_cluster_that_is_attached_to_only_our_own_things_are_looked_at() -> None:
    crowded = replace(FINE, listeners={8000: "nginx", 8265: "ray"}, memory_free_bytes=0, socket_folder=None)
    assert told(crowded, "stop", RAY_ADDRESS="10.0.0.7:6379") == []
