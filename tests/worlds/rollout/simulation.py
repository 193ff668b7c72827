"""Whole rollouts on simulated traffic, judged at every look; `python -m tests.worlds.rollout.simulation 1000`."""

import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import erfc, log, sqrt

import numpy as np
from numpy.typing import NDArray

from tests.worlds.rollout.walks import begun
from windvane.configs.schema import Objectives
from windvane.configs.sized_plan import Traffic
from windvane.monitoring.evidence import ArmEvidence, Evidence, PairedEvidence, ShiftEvidence
from windvane.serve_apps.rollout.elapsed import stand
from windvane.serve_apps.rollout.guardrails.judge import GuardrailJudge, remember
from windvane.serve_apps.rollout.guardrails.latency import follow
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.state_machine import advance, come_into_force

START = datetime(2026, 1, 1, tzinfo=UTC)
OBJECTIVE_MS = 50.0
Losses = tuple[NDArray[np.float64], NDArray[np.float64]]  # Brier loss of champion and candidate on the same decisions


@dataclass(frozen=True)
class World:
    """Traits of both versions; figures of the candidate where they differ."""

    rate: float = 0.25  # of true labels
    noise: tuple[float, float] = (0.5, 0.5)  # of the logit that each version adds to the truth
    at_margin: bool = False  # move the candidate's loss so that it is worse by exactly the margin
    p99_ms: tuple[float, float] = (60.0, 60.0)  # of both: a machine that misses the objective of 50
    errors: tuple[float, float] = (0.01, 0.01)
    a_day: float = 60_000.0
    looks: int = 60


def losses(world: World, rng: np.random.Generator, rows: int = 200_000) -> Losses:
    """A pool that looks draw from."""
    logit = np.log(world.rate / (1 - world.rate)) + rng.normal(0.0, 1.5, rows)
    label = rng.random(rows) < 1 / (1 + np.exp(-logit))
    scores = [1 / (1 + np.exp(-logit - rng.normal(0.0, noise, rows))) for noise in world.noise]
    champion, candidate = ((score - label) ** 2 for score in scores)
    if world.at_margin:
        candidate = candidate + 1.02 * champion.mean() - candidate.mean()
    return champion, candidate


def run(world: World, pool: Losses, rng: np.random.Generator, outcomes: int = 20_000) -> Rollout:
    """One rollout by the default plan, looked at while so many outcomes come, each as soon as its decision."""
    traffic = Traffic(world.a_day, world.a_day, 0.0)
    objectives = Objectives(latency_p99_ms=OBJECTIVE_MS)
    rollout = come_into_force(begun(objectives=objectives, candidate=2, revision=1), START)
    judge, now, per_look = GuardrailJudge(), START, outcomes // world.looks
    lost = np.zeros(4)  # n, difference, squared difference, champion's loss
    counts, revision = np.zeros((2, 3), np.int64), rollout.revision  # by version: decisions, errors, late
    for _ in range(world.looks):
        now += timedelta(days=per_look / world.a_day)
        drawn = rng.integers(0, len(pool[0]), per_look)
        champion, candidate = pool[0][drawn], pool[1][drawn]
        difference = candidate - champion
        lost += (per_look, difference.sum(), np.square(difference).sum(), champion.sum())
        if rollout.revision != revision:
            counts, revision = np.zeros((2, 3), np.int64), rollout.revision
        asked = rng.binomial(per_look, rollout.weight)
        hiccup = rng.choice((1.0, 1.0, 1.0, 3.0))  # the machine is busy now and then, for both
        for version, n in enumerate((per_look - asked, asked)):
            failed = rng.binomial(n, world.errors[version])
            median = world.p99_ms[version] / np.exp(2.326 * 0.8)
            late = rng.binomial(n - failed, _share_above(OBJECTIVE_MS / hiccup, median))
            counts[version] += (n - failed, failed, late)
        evidence = _evidence(rollout, lost, counts, traffic)
        rollout = stand(come_into_force(rollout, now), now, longest_gap=timedelta.max)
        rollout = follow(remember(rollout, evidence), evidence, now)
        rollout = advance(rollout, judge.judge(rollout, evidence, (), now), now)
        if not rollout.active:
            break
    return rollout


def _share_above(limit_ms: float, median_ms: float) -> float:
    """Of lognormal latencies whose logarithm has a standard deviation of 0.8."""
    return 0.5 * erfc(log(limit_ms / median_ms) / (0.8 * sqrt(2.0)))


def rates(world: World, runs: int, seed: int = 5) -> dict[str, float]:
    """The share of rollouts that ended, or stood, in each phase."""
    rng = np.random.default_rng(seed)
    pool = losses(world, rng)
    ended = Counter(run(world, pool, rng).phase for _ in range(runs))
    return {phase: count / runs for phase, count in ended.items()}


def _evidence(rollout: Rollout, lost: NDArray[np.float64], counts: NDArray[np.int64], traffic: Traffic) -> Evidence:
    n, total, squares, champion = lost.tolist()
    mean = total / n
    paired = PairedEvidence(1, 2, int(n), mean, squares / n - mean**2, champion / n, champion / n + mean)
    arms = tuple(
        ArmEvidence(version, decisions, errors, None, slow)
        for version, (decisions, errors, slow) in enumerate(counts[:, :3].tolist(), 1)
    )
    return Evidence(rollout.revision, arms, paired, ShiftEvidence(int(n), 0.1), traffic)


WORLDS = {
    "identical": World(),
    "identical, rare": World(rate=0.005),
    "identical, in time": World(p99_ms=(20.0, 20.0)),
    "worse by the margin": World(at_margin=True),
    "worse by the margin, rare": World(rate=0.005, at_margin=True),
    "much better": World(noise=(1.5, 0.3)),
    "much worse": World(noise=(0.3, 1.5)),
    "twice as slow": World(p99_ms=(40.0, 80.0)),
    "5 % more errors": World(errors=(0.01, 0.06)),
}

if __name__ == "__main__":
    for name, world in WORLDS.items():
        print(f"{name:28s}", rates(world, int(sys.argv[1])))  # noqa: T201
