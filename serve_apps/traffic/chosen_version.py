"""Who may choose the version that answers: anybody the one that would answer anyhow, an owner every loaded one."""

from collections.abc import Callable

from windvane.cluster.errors import Forbidden, NotFound, Unavailable
from windvane.serve_apps.traffic.loaded_versions import Roster


def choose(version: str, roster: Roster, owns: Callable[[], bool]) -> int | None:
    """What to override the split with when a request names this version: None when the split says the same.

    `owns` says whether an owner asks. Raises Unavailable before a split is in force, NotFound when the version is not
    loaded, Forbidden when it is not the caller's to choose.
    """
    if roster.in_force is None:
        raise Unavailable("No version is in force yet: try again in a few seconds")
    number = loaded_number(version, roster)
    live = {arm.version for arm in roster.in_force.split.arms if arm.weight > 0}
    if live == {number}:
        return None
    if not owns():
        raise Forbidden(
            f"The split decides who answers, and version {number} is not its only answer: leave the version out, or "
            "send the key of an owner"
        )
    return number


def loaded_number(version: str, roster: Roster) -> int:
    """The number of a version that is loaded; raises NotFound for any other text."""
    for number in roster.loaded:
        if version == str(number):
            return number
    loaded = ", ".join(map(str, sorted(roster.loaded))) or "none yet"
    raise NotFound(f"Version {version[:20]!a} is not loaded here; loaded are: {loaded}")
