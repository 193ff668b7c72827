"""Queues in Ray's HAProxy configuration: what is written, and that the real HAProxy takes it and does it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.rays_haproxy import DEPLOYED, golden
from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime import haproxy_queue
from windvane.cluster.runtime.haproxy_queue import ARRIVED, Queue, bounded
from windvane.serve_apps.admin.openapi.refusals import PROBLEM

RAYS = golden(DEPLOYED)


def test_only_that_models_http_backend_gets_its_queue() -> None:
    whole = bounded(RAYS, {"trips": Queue(80, 20), "gone": Queue(1, 1)})
    before, rest = whole.split("backend http-trips\n")
    trips, others = rest.split("backend http-control\n")
    assert "    timeout queue 20ms\n    http-request wait-for-body time 10s\n" in trips
    assert f"    http-request set-header {ARRIVED} %[date(0,us)]\n" in trips
    assert " inter 5s check maxconn 80\n" in trips
    assert "hdr Retry-After 1" in trips
    assert whole.count(" maxconn ") - RAYS.count(" maxconn ") == whole.count("timeout queue") == 1
    assert " maxconn 80" not in before + others


def test_a_completed_configuration_stays_as_it_is() -> None:
    queues = {"trips": Queue(80, 20), "control": Queue(5, 5)}
    once = bounded(RAYS, queues)
    assert bounded(once, queues) == once


@given(st.dictionaries(st.sampled_from(["trips", "control", "gone", ""]), st.just(Queue(1, 1))))
def test_no_line_is_lost_or_moved(queues: dict[str, Queue]) -> None:
    whole = iter(bounded(RAYS, queues).split("\n"))
    for line in RAYS.split("\n"):
        assert any(kept in (line, f"{line} maxconn 1") for kept in whole)


@pytest.mark.parametrize(
    ("rays", "another"),
    [
        ("    default-server ", "    server-defaults "),
        (" inter 5s check\n", " inter 5s check maxconn 100\n"),
        ("    default-server ", "    default-server slowstart 1s\n    default-server "),
    ],
)
def test_a_backend_without_a_place_for_its_queue_is_refused(rays: str, another: str) -> None:
    """It went through, and replicas had no queue before them."""
    changed = RAYS.replace(rays, another)
    assert bounded(changed, {}) == changed
    with pytest.raises(Unavailable, match=r"'backend http-trips' lacks a 'default-server'.*see docs/upgrading-ray"):
        bounded(changed, {"trips": Queue(80, 20)})


def test_who_is_turned_away_gets_problem_details_that_the_protocols_clients_understand() -> None:
    assert haproxy_queue.REFUSAL["status"] == Unavailable.status == 503
    assert haproxy_queue.REFUSAL["title"] == Unavailable.title
    assert set(PROBLEM["required"]) < set(haproxy_queue.REFUSAL)
    assert haproxy_queue.REFUSAL["detail"] == haproxy_queue.REFUSAL["error"]
    assert "'" not in json.dumps(haproxy_queue.REFUSAL)  # it stands between such


def test_what_was_declared_last_holds(tmp_path: Path) -> None:
    assert haproxy_queue.declared(tmp_path) == {}
    haproxy_queue.declare(tmp_path, "trips", Queue(80, 20))
    haproxy_queue.declare(tmp_path, "loans", Queue(32, 400))
    haproxy_queue.declare(tmp_path, "trips", Queue(81, 21))
    assert haproxy_queue.declared(tmp_path) == {"trips": Queue(81, 21), "loans": Queue(32, 400)}


@pytest.mark.parametrize("torn", ["", "[]", "{}", '{"most_inside": 1}', '{"most_inside": 1, "x": 2}', "7"])
def test_a_torn_declaration_keeps_nobody_from_starting_and_is_spoken_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], torn: str
) -> None:
    haproxy_queue.declare(tmp_path, "trips", Queue(80, 20))
    haproxy_queue.declare(tmp_path, "loans", Queue(1, 1))
    (tmp_path / "queues" / "loans.json").write_text(torn)
    assert haproxy_queue.declared(tmp_path) == {"trips": Queue(80, 20)}
    assert "loans.json" in capsys.readouterr().err
