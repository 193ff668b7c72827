"""The versions that decisions were last seen of: what is kept by version is kept for these."""

from collections import OrderedDict
from collections.abc import Iterable

KEPT_VERSIONS = 20  # up to 5 MB each, where all of their windows are full


class RecentVersions:
    """Orders versions by their newest decision; those beyond `most` are to be forgotten."""

    def __init__(self, most: int = KEPT_VERSIONS) -> None:
        self._most = most
        self._seen: OrderedDict[int, None] = OrderedDict()  # oldest first

    def decided(self, versions: Iterable[int]) -> None:
        """Note decisions, or scores, of these versions.

        >>> recent = RecentVersions(most=2)
        >>> recent.decided([1, 2, 1, 3])
        >>> recent.take_forgotten()
        [2]
        """
        for version in versions:
            self._seen[version] = None
            self._seen.move_to_end(version)

    def labelled(self, version: int) -> None:
        """Note a label, which may come months later: it makes no version recent, only known.

        >>> recent = RecentVersions(most=1)
        >>> recent.decided([7])
        >>> recent.labelled(2)
        >>> recent.take_forgotten()
        [2]
        """
        if version not in self._seen:
            self._seen[version] = None
            self._seen.move_to_end(version, last=False)

    def take_forgotten(self) -> list[int]:
        """The versions that make room, each told once unless it is seen again."""
        return [self._seen.popitem(last=False)[0] for _ in range(len(self._seen) - self._most)]
