"""Rows, decisions and outcomes of one model, counted and observed by day."""

import numpy as np

from windvane.cluster.decision_log.record import Decision, Outcome, Record, Shadow
from windvane.configs.schema import Action, DecisionRule, Feature, ModelSpec, Monitor, Source, Target
from windvane.monitoring.counts.arm_key import ArmKey
from windvane.monitoring.counts.counts import Tally
from windvane.monitoring.counts.observation import Observation
from windvane.monitoring.counts.profile import Profile

DAY = 86400.0
SPEC = ModelSpec(
    name="delay",
    owner="ops",
    unit="flight",
    target=Target(name="late"),
    features=(
        Feature(name="temp", type="number", missing=True),
        Feature(name="origin", type="category", categories=("EWR", "JFK")),
    ),
    data=Source(source="flights.csv", time="at"),
    decision=DecisionRule(actions=(Action(name="hold", at_least=0.0),)),
    monitor=Monitor(min_sample=200),
)
RNG = np.random.default_rng(4)


def rows(n: int, mean: float = 50.0, missing: float = 0.0, unknown: float = 0.0) -> np.ndarray:
    temp = RNG.normal(mean, 10.0, n)
    temp[RNG.random(n) < missing] = np.nan
    origin = np.where(RNG.random(n) < unknown, 1, RNG.integers(2, 4, n))
    return np.column_stack([temp, origin]).astype(np.float32)


def labelled(n: int) -> tuple[np.ndarray, np.ndarray]:
    scores = RNG.beta(2, 5, n)
    return scores, RNG.random(n) < scores


PROFILE = Profile.learn(SPEC.features, rows(20_000), *labelled(20_000))


def tally() -> Tally:
    return Tally("delay", {1: PROFILE}, DAY)


def count(into: Tally, day: float, given: np.ndarray, version: int = 1, revision: int = 1) -> None:
    n = len(given)
    times = (day * DAY + np.arange(n, dtype=np.float64)).tolist()
    into.add(ArmKey(revision, version, "champion"), given, RNG.beta(2, 5, n), times, ["hold"] * n, [2.0] * n)


def observed(*days: tuple[float, np.ndarray]) -> Observation:
    seen, counts = Observation(SPEC), tally()
    seen.watch(1, PROFILE)
    for day, given in days:
        count(counts, day, given)
    seen.ship("r1", counts.drain(), now=1000.0)
    return seen


def decided(n: int, day: float = 0.0, shadow: int | None = None, at: float = 50.0, prefix: str = "d") -> list[Record]:
    scores, labels = labelled(n)
    keys = [f"{prefix}{day}-{i}" for i in range(n)]
    records: list[Record] = [
        Decision(key, at, day * DAY + i, 1, "champion", 1, "N", 1, (), float(score), "hold")
        for i, (key, score) in enumerate(zip(keys, scores, strict=True))
    ]
    if shadow is not None:
        records.append(Shadow(at, shadow, tuple(keys), tuple((scores * 0.5).tolist())))
    return records + [Outcome(key, at, bool(label)) for key, label in zip(keys, labels, strict=True)]
