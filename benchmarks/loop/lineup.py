"""The worlds of a run, in their order: told ones, real tables, and a third drawn from the run's seed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.loop import tables
from benchmarks.loop.landed import LANDED, LandedTrainer, landed_spec
from benchmarks.loop.measure import Figures, answered, daily, error_of, measure
from benchmarks.loop.worlds import BUSY, STORIES, World, drawn, make

DRAWN = 12
QUICK = ("flip", "flip, goods known late", "prior", "stationary", "weather")
SHORTER = 0.6  # of the days in a quick run


@dataclass(frozen=True, slots=True)
class Entry:
    """One world to be replayed; picklable, so that a worker process makes it."""

    name: str
    build: Callable[[], World]
    beside_landed: bool = False  # also by the rules before these

    @property
    def names(self) -> tuple[str, ...]:
        """The worlds whose figures it gives."""
        return (self.name, f"{self.name}{LANDED}") if self.beside_landed else (self.name,)

    def run(self) -> list[Figures]:
        """Make and replay it."""
        world = self.build()
        figures, run = measure(world)
        if not self.beside_landed:
            return [figures]
        spec = landed_spec(world.spec)
        before = World(f"{world.name}{LANDED}", spec, world.history, world.start)
        figures_before, run_before = measure(before, LandedTrainer(spec, world.history))
        difference = daily(*answered(world, run)) - daily(*answered(world, run_before))
        mean, error = float(difference.mean()), error_of(difference)
        return [replace(figures, beside_before=mean, beside_before_error=error), figures_before]


def entries(seed: int, quick: bool) -> list[Entry]:
    """Every world of a run."""
    told = [Entry(story.name, partial(make, story, seed + place)) for place, story in enumerate(STORIES)]
    fresh = [
        Entry(story.name, partial(make, story, seed + 100 + place)) for place, story in enumerate(drawn(seed, DRAWN))
    ]
    real = [
        Entry(name, partial(tables.build, name, seed), beside_landed=name == tables.FLIGHTS) for name in tables.NAMES
    ]
    if quick:
        return [*(e for e in told if e.name in QUICK), *fresh[:3], *(e for e in real if e.name in tables.QUICK)]
    return [*told, Entry(BUSY.name, partial(make, BUSY, seed + 99)), *real, *fresh]
