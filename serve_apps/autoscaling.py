"""Scales a model's replicas by Serve's own policy, with the requests that Serve does not see.

Ray reads this module once, pickles it by value and asks it in its controller, on clusters where Windvane is not
installed too: so it imports nothing. Delays, factors and bounds are Serve's and stay around it.
"""

from typing import Any

PAST_SERVE = "requests_past_serve"  # what each replica tells Serve: requests that it answers behind Serve's back


def desired_replicas(ctx: Any) -> tuple[float, dict[str, Any]]:
    """Ongoing requests over `target_ongoing_requests`, both averaged over Serve's look-back period.

    Serve's `replica_queue_length_autoscaling_policy` is the same without the requests past Serve; like that one it
    holds the target while no replica is running. `ctx` is a `ray.serve.config.AutoscalingContext`.
    """
    if ctx.current_num_replicas == 0:
        return ctx.target_num_replicas, {}
    past_serve = sum(ctx.aggregated_metrics.get(PAST_SERVE, {}).values())
    return (ctx.total_num_requests + past_serve) / ctx.config.get_target_ongoing_requests(), {}
