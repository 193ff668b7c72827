"""A Windvane names every port it takes, and two of them differ in all."""

from pathlib import Path

from windvane.cluster.host.ports import ports, replica_grpc_ports
from windvane.cluster.runtime import haproxy
from windvane.configs.load import load_settings


def numbers(**variables: str) -> list[int]:
    return [port.number for port in ports(load_settings({"WINDVANE_HOME": "/h", **variables}))]


def test_every_port_that_is_taken_is_named() -> None:
    assert numbers() == [8000, 8404, 8500, 9101, 9500, 10_001, 9000, 9202, 8265]


def test_they_follow_the_port_that_is_chosen() -> None:
    one, other = numbers(), numbers(WINDVANE_PORT="8100", WINDVANE_DASHBOARD_PORT="8266")
    assert not set(one) & set(other)
    assert numbers(WINDVANE_GRPC_PORT="7000")[6:8] == [7000, 7202]


def test_haproxy_is_told_of_no_other(tmp_path: Path) -> None:
    told = {int(value) for name, value in haproxy.environment(tmp_path, 8000).items() if name.endswith("_PORT")}
    replicas = replica_grpc_ports(8000)
    assert told <= {*numbers(), replicas[0], replicas[-1]}
