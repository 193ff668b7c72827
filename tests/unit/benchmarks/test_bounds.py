"""Bounds are judged by medians, and a server that was not measured passes nothing."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks import bounds, table
from benchmarks.bounds import judge
from benchmarks.measure import Figure, median

FIGURE = Figure(64, 100.0, 100.0, 1.0, 2.0, 0.5, 300.0, 0.0, "wrk")


def figure(per_second: float, concurrency: int = 64, **more: Any) -> Figure:
    return replace(FIGURE, concurrency=concurrency, per_second=per_second, rows_per_second=per_second, **more)


MEDIANS = {
    "floor": [figure(10_000), figure(7000, 1, p50_ms=0.23)],
    "ray-hello": [figure(6000)],
    "ray-default-hello": [figure(300)],
    "ray-default-canary": [figure(100)],
    "kserve-v1": [figure(2500), figure(1000, 0, p99_ms=5.0)],
    "mlserver": [figure(2000)],
    "windvane": [figure(1000, 1, p50_ms=0.69), figure(5000), figure(1000, 0, p99_ms=10.5)],
    "windvane-explained": [figure(3000)],
    "windvane-people": [figure(4200)],
    "windvane-oip-binary-256": [figure(70_000, 1), figure(50_000, 8)],
}


def test_every_bound_has_what_was_reached() -> None:
    judged = judge([MEDIANS], [100_000.0], "kserve-v1")
    reached = {bound.what: (round(bound.reached or 0.0, 2), bound.verdict) for bound in judged}
    peer = "the fastest peer's bare prediction (kserve-v1)"
    assert reached == {
        "governed decide / Ray hello-world in our mode, c=64": (0.83, "MISS"),
        f"governed decide / {peer}, c=64": (2.0, "MISS"),
        "governed decide / the floor, c=64": (0.5, "MISS"),
        "governed decide / Ray's default canary, c=64": (50.0, "PASS"),
        "governed decide / the floor, p50 at c=1": (3.0, "PASS"),
        f"governed decide / {peer}, p99 at 1,000/s": (2.1, "MISS"),
        "every decision explained / Ray hello-world, c=64": (0.5, "MISS"),
        f"every decision explained / {peer}, c=64": (1.2, "MISS"),
        "every decision explained / governed, c=64": (0.6, "MISS"),
        "personal fields encrypted, purpose judged / Ray hello-world, c=64": (0.7, "PASS"),
        f"personal fields encrypted, purpose judged / {peer}, c=64": (1.68, "PASS"),
        "OIP binary, 256 rows a request / plain ONNX Runtime, rows/s": (0.7, "PASS"),
    }
    assert bounds.verdict(judged) == "MISSED: 5 of 12 bounds held"


def test_a_bound_that_is_just_reached_holds() -> None:
    judged = judge([MEDIANS | {"windvane": [figure(6000), figure(9, 1, p50_ms=0.736)]}], [None], "kserve-v1")
    assert judged[0].verdict == judged[4].verdict == "PASS"
    assert bounds.verdict([each for each in judged if each.verdict == "PASS"]).startswith("PASSED: ")


def test_what_is_reached_is_the_median_of_the_rounds_each_by_itself() -> None:
    """The machine was half as fast in the second round, and again while one server of the third was measured."""
    slow = {
        name: [replace(each, per_second=each.per_second / 2) for each in figures] for name, figures in MEDIANS.items()
    }
    third = MEDIANS | {"ray-hello": [figure(3000)]}
    assert bounds.usual_ratio([MEDIANS, slow, third], "windvane", "ray-hello") == pytest.approx(5 / 6)
    judged = judge([MEDIANS, slow, third, {}], [100_000.0, 70_000.0, 50_000.0, None], "kserve-v1")
    assert judged[0].reached == pytest.approx(5 / 6)
    assert judged[-1].reached == 1.0


@pytest.mark.parametrize("gone", ["windvane", "ray-hello", "windvane-explained"])
def test_what_was_not_measured_has_no_verdict(gone: str) -> None:
    judged = judge([{name: each for name, each in MEDIANS.items() if name != gone}], [100_000.0], "kserve-v1")
    verdicts = {bound.verdict for bound in judged if bound.reached is None}
    assert verdicts == {"not measured"}
    assert all(bound.verdict == "not measured" for bound in judge([{}], [None], None))


def test_the_fastest_peer_is_the_one_that_was_measured() -> None:
    assert bounds.fastest_peer(MEDIANS) == "kserve-v1"
    assert bounds.fastest_peer({"mlserver": [figure(1)]}) == "mlserver"
    assert bounds.fastest_peer({}) is None


def test_the_median_is_of_each_figure_by_itself() -> None:
    found = median([figure(1, p99_ms=30.0), figure(3, p99_ms=10.0), figure(2, p99_ms=20.0)])
    assert (found.per_second, found.p99_ms, found.concurrency, found.generator) == (2, 20.0, 64, "wrk")


def test_the_tables_name_who_is_absent_and_who_could_not_keep_up() -> None:
    medians = MEDIANS | {"mlserver": [figure(2000), figure(500, 0, p50_ms=900.0, p99_ms=2000.0, unanswered=400.0)]}
    peer = "kserve-v1"
    judged = judge([medians], [1e5], peer)
    text = table.render(medians, [medians], {"bentoml": "was not installed (uv: no)"}, judged, 1e5, peer)
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "was not installed (uv: no)" in lines["BentoML"]
    assert ">900.00" in text
    assert ">2000.0" in text
    governed = next(line for line in text.splitlines()[10:] if line.startswith("Windvane, governed  "))
    assert governed.split()[-4:] == ["0.50", "0.83", "2.00", "50.00"]
    assert "MISS" in text


def test_the_tables_say_who_sent_the_load() -> None:
    assert table.closed_loops(MEDIANS).startswith("closed loops sent by wrk (")
    bundled = {"floor": [replace(figure(10_000), generator="asyncio")]}
    assert table.closed_loops(bundled).startswith("closed loops sent by asyncio (wrk where")


def test_ray_by_default_is_compared_with_its_own_hello() -> None:
    line = next(
        line for line in table.beside_anchors(MEDIANS, [MEDIANS], "kserve-v1") if line.startswith("Ray Serve canary")
    )
    assert line.split()[-3] == "0.33"
