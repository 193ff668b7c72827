import pytest

from tests.worlds.gateway.world import canary, champion
from windvane.cluster.errors import Forbidden, NotFound, Unavailable
from windvane.serve_apps.traffic.chosen_version import choose, loaded_number
from windvane.serve_apps.traffic.loaded_versions import InForce
from windvane.serve_apps.traffic.router import Arm, Router, Split


class FakeLoadedVersions:
    """Holds versions 1, 2 and 3."""

    def __init__(self, split: Split | None) -> None:
        self.loaded = dict.fromkeys((3, 1, 2))
        self.in_force = None if split is None else InForce(split, Router(split), {})


def chosen(split: Split | None, version: str, owner: bool) -> int | None:
    return choose(version, FakeLoadedVersions(split), lambda: owner)  # type: ignore[arg-type]


@pytest.mark.parametrize("owner", [True, False])
def test_anybody_may_name_the_version_that_answers_anyhow(owner: bool) -> None:
    assert chosen(champion(warm=(2,)), "1", owner) is None
    retired = Split("trips", 1, "salt", (Arm("candidate", 2, 0.0), Arm("champion", 1, 1.0)))
    assert chosen(retired, "1", owner) is None


def test_only_an_owner_may_name_another() -> None:
    for split, version in ((champion(warm=(2,)), 2), (canary(), 1), (canary(), 2)):
        assert chosen(split, str(version), owner=True) == version
        with pytest.raises(Forbidden, match=f"version {version} is not its only answer"):
            chosen(split, str(version), owner=False)


@pytest.mark.parametrize("owner", [True, False])
def test_before_a_split_is_in_force_nobody_is_told_no(owner: bool) -> None:
    """The same request may be right in a moment."""
    for version in ("1", "7"):
        with pytest.raises(Unavailable):
            chosen(None, version, owner)


@pytest.mark.parametrize("version", ["4", "01", "1.0", "", "latest", "-1", "١", "9" * 5000])
def test_what_is_not_loaded_is_not_found_whoever_asks(version: str) -> None:
    for owner in (True, False):
        with pytest.raises(NotFound, match="is not loaded here; loaded are: 1, 2, 3"):
            chosen(champion(), version, owner)
    with pytest.raises(NotFound):
        loaded_number(version, FakeLoadedVersions(None))  # type: ignore[arg-type]
