from types import SimpleNamespace
from typing import Any

import pytest

from tests.worlds.bundles import SPEC
from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime.haproxy_queue import Queue
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.gateway import Gateway, options_of, queue_of


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
    assert queue_of(spec(50.0)) == Queue(most_inside=32, longest_wait_ms=12)
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


def test_a_fixed_number_of_replicas_is_not_scaled() -> None:
    fixed, scaled = (options_of(spec(50.0, min_replicas=2, max_replicas=most).serving) for most in (2, 3))
    assert (fixed["num_replicas"], "autoscaling_config" in fixed) == (2, False)
    assert ("num_replicas" in scaled, scaled["autoscaling_config"].max_replicas) == (False, 3)
