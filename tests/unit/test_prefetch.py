"""A version is brought here before replicas are told of it, and a registry that is away holds up no way back."""

from pathlib import Path

from cluster.errors import Unavailable
from cluster.registry import Registration
from serve_apps.prefetch import Prefetching
from serve_apps.router import Arm, Split
from tests.fakes import FakeRegistry
from tests.rollout_world import FakeSwitchboard


class CountingRegistry(FakeRegistry):
    """Counts what it was asked to fetch, and may be away."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[int] = []
        self.away = False

    def fetch(self, model: str, number: int, into: Path) -> Path:
        self.asked.append(number)
        if self.away:
            raise Unavailable("MLflow does not answer")
        return super().fetch(model, number, into)


def world(folder: Path) -> tuple[Prefetching, CountingRegistry, FakeSwitchboard]:
    registry, switchboard = CountingRegistry(folder / "registry"), FakeSwitchboard()
    bundle = folder / "bundle"
    bundle.mkdir()
    (bundle / "model.onnx").write_bytes(b"x")
    for _ in range(3):
        registry.register(Registration("trips", "ops", "r", "candidate", None, None, {}, {}, {}), bundle)
    return Prefetching(switchboard, registry, folder / "cache"), registry, switchboard


def split(revision: int, candidate: int = 2) -> Split:
    arms = (Arm("candidate", candidate, 0.1), Arm("champion", 1, 0.9))
    return Split("trips", revision, "salt", arms, shadows=(3,))


def test_every_version_of_a_split_is_here_before_it_is_published(tmp_path: Path) -> None:
    prefetching, _, switchboard = world(tmp_path)
    prefetching.publish(split(1))
    assert sorted(folder.name for folder in (tmp_path / "cache" / "trips").iterdir()) == ["1", "2", "3"]
    assert [each.revision for each in switchboard.published] == [1]
    assert prefetching.in_force("trips")["a"].in_force == 1


def test_what_is_here_is_not_asked_for_again(tmp_path: Path) -> None:
    prefetching, registry, _ = world(tmp_path)
    prefetching.publish(split(1))
    prefetching.publish(split(2))
    assert sorted(registry.asked) == [1, 2, 3]


def test_a_registry_that_is_away_holds_up_no_split(tmp_path: Path) -> None:
    """Control restarted while MLflow was away: the split back to the champion was stored and never published."""
    prefetching, registry, switchboard = world(tmp_path)
    registry.away = True
    prefetching.publish(split(1))
    assert switchboard.newest.revision == 1
    registry.away = False
    prefetching.publish(split(2))
    assert sorted(registry.asked) == [1, 1, 2, 2, 3, 3]


def test_a_version_that_is_gone_is_for_the_replicas_to_report(tmp_path: Path) -> None:
    prefetching, _, switchboard = world(tmp_path)
    prefetching.publish(split(1, candidate=9))
    assert switchboard.newest.revision == 1
