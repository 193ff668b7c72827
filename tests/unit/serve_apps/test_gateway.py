from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from tests.worlds.bundles import SPEC
from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime.haproxy_queue import Queue
from windvane.cluster.runtime.ray_source import Use
from windvane.configs.load import load_settings
from windvane.configs.schema import ModelSpec
from windvane.serve_apps import serve_hooks
from windvane.serve_apps.gateway import Gateway, build, options_of, queue_of


def spec(p99_ms: float, **serving: Any) -> ModelSpec:
    declared = SPEC.model_dump(mode="json")
    declared["slo"] |= {"latency_p99_ms": p99_ms}
    declared["serving"] |= serving
    return ModelSpec.model_validate(declared)


@pytest.mark.parametrize("aimed_at", [1, 8, 64, 1000])
def test_so_many_go_in_that_autoscaling_sees_a_crowd(aimed_at: int) -> None:
    queue = queue_of(spec(50.0, target_ongoing_requests=aimed_at))
    assert aimed_at < queue.most_inside <= max(32, 1.25 * aimed_at + 1)


def test_nobody_waits_longer_for_a_place_than_leaves_time_for_an_answer() -> None:
    assert queue_of(spec(50.0)) == Queue(most_inside=32, longest_wait_ms=12, most_body_bytes=65_536)
    assert queue_of(spec(0.5)).longest_wait_ms == 1  # HAProxy knows no less


def test_a_replica_that_cannot_decide_any_more_is_seen_and_replaced_within_seconds() -> None:
    options = options_of(spec(50.0).serving)
    assert options["health_check_period_s"] <= 2.0
    deployment: Any = Gateway
    check_health = deployment.func_or_class.check_health
    check_health(SimpleNamespace(_replica=None))  # Serve asks before the app is there

    def gone() -> None:
        raise Unavailable("the decision log's writer died")

    with pytest.raises(Unavailable, match="writer died"):
        check_health(SimpleNamespace(_replica=SimpleNamespace(check_health=gone)))


@pytest.mark.parametrize(("address", "is_refused"), [("", True), ("10.0.0.7:6379", False)])
def test_only_on_a_head_of_ours_a_replica_has_to_be_behind_the_ingress(address: str, is_refused: bool) -> None:
    """A cluster that was attached to may lack the setting: there requests go through Serve."""

    def through_serve() -> None:
        raise Unavailable("Ray Serve did not ask")

    replica = SimpleNamespace(check_health=lambda: None, demand_in_front=through_serve)
    settings = load_settings({"WINDVANE_HOME": "/h", "RAY_ADDRESS": address})
    deployment: Any = Gateway
    with pytest.raises(Unavailable, match="did not ask") if is_refused else nullcontext():
        deployment.func_or_class.check_health(SimpleNamespace(_replica=replica, _settings=settings))


def test_no_application_is_built_for_a_serve_that_has_not_what_it_is_built_on(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Use("serve/api.py", 1, "a hook that was", "no application could be built")
    monkeypatch.setattr(serve_hooks, "USES", (*serve_hooks.USES, gone))
    with pytest.raises(Unavailable, match="has no 'a hook that was' in ray/serve/api"):
        build({})


def test_a_fixed_number_of_replicas_is_not_scaled() -> None:
    fixed, scaled = (options_of(spec(50.0, min_replicas=2, max_replicas=most).serving) for most in (2, 3))
    assert (fixed["num_replicas"], "autoscaling_config" in fixed) == (2, False)
    assert ("num_replicas" in scaled, scaled["autoscaling_config"].max_replicas) == (False, 3)
