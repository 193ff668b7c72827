"""Lets a caller choose the version: anybody the one that would answer anyhow, an owner every loaded one."""

from collections.abc import Callable

from windvane.cluster.errors import Forbidden, NotFound, Unavailable
from windvane.serve_apps.traffic.loaded_versions import LoadedVersions


def choose(version: str, loaded_versions: LoadedVersions, owns: Callable[[], bool]) -> int | None:
    """The version that overrides the split when a request names it: None when the split says the same.

    `owns` says whether an owner asks. Raises Unavailable before a split is in force, NotFound when the version is not
    loaded, Forbidden when it is not the caller's to choose.
    """
    if loaded_versions.in_force is None:
        raise Unavailable("No version is in force yet: try again in a few seconds")
    number = loaded_number(version, loaded_versions)
    live = {arm.version for arm in loaded_versions.in_force.split.arms if arm.weight > 0}
    if live == {number}:
        return None
    if not owns():
        raise Forbidden(
            f"The split decides who answers, and version {number} is not its only answer: leave the version out, or "
            "send the key of an owner"
        )
    return number


def loaded_number(version: str, loaded_versions: LoadedVersions) -> int:
    """The number of a version that is loaded; raises NotFound for any other text."""
    for number in loaded_versions.loaded:
        if version == str(number):
            return number
    loaded = ", ".join(map(str, sorted(loaded_versions.loaded))) or "none yet"
    raise NotFound(f"Version {version[:20]!a} is not loaded here; loaded are: {loaded}")
