import sys
from types import SimpleNamespace
from typing import Any

import cloudpickle  # noqa: TID251  Serve pickles the policy it is given
import pytest
from ray.serve.autoscaling_policy import replica_queue_length_autoscaling_policy
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

from windvane.serve_apps import autoscaling
from windvane.serve_apps.autoscaling import PAST_SERVE, desired_replicas
from windvane.serve_apps.gateway import POLICY

CONFIG = AutoscalingConfig(min_replicas=1, max_replicas=9, target_ongoing_requests=64)


def context(replicas: int, seen: float, past_serve: dict[str, float] | None) -> Any:
    """Context of a policy: requests that Serve saw itself, and those that replicas told it of."""
    told = {} if past_serve is None else {PAST_SERVE: past_serve}
    return SimpleNamespace(
        config=CONFIG,
        current_num_replicas=replicas,
        target_num_replicas=2,
        total_num_requests=seen,
        aggregated_metrics={"running_requests": {"a": seen}, **told},
        policy_state={},
    )


def test_requests_past_serve_count_as_those_that_it_sees() -> None:
    assert desired_replicas(context(2, seen=16.0, past_serve={"a": 100.0, "b": 12.0})) == (2.0, {})


@pytest.mark.parametrize("requests", [0.0, 1.0, 63.0, 64.0, 500.0])
@pytest.mark.parametrize("replicas", [1, 3])
def test_the_same_is_wanted_whoever_saw_the_requests_as_by_serves_own_policy(requests: float, replicas: int) -> None:
    wanted, _ = replica_queue_length_autoscaling_policy(context(replicas, requests, None))
    assert desired_replicas(context(replicas, requests, None))[0] == pytest.approx(wanted)
    assert desired_replicas(context(replicas, 0.0, {"a": requests}))[0] == pytest.approx(wanted)


def test_while_no_replica_runs_the_target_is_held() -> None:
    assert desired_replicas(context(0, 0.0, None)) == replica_queue_length_autoscaling_policy(context(0, 0.0, None))


def test_ray_can_read_the_policy_where_windvane_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = AutoscalingPolicy(policy_function=POLICY).get_serialized_policy_def()
    assert pickled is not None
    monkeypatch.setitem(sys.modules, autoscaling.__name__, None)
    assert cloudpickle.loads(pickled)(context(2, 16.0, {"a": 112.0}))[0] == 2.0
