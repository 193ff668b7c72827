"""The policy benchmark measures what it says it does."""

from benchmarks import policy


def test_every_step_is_measured_on_requests_that_are_allowed() -> None:
    costs = {cost.step: cost.microseconds for cost in policy.costs(calls=5)}
    assert len(costs) == 6
    assert min(costs.values()) > 0.0
    set_taken = next(value for step, value in costs.items() if step.startswith("a set of 20 rules"))
    assert set_taken > costs["before the model, from memory"]
