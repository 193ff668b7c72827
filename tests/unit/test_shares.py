"""Every test file is in some share, and in no two."""

from collections import Counter
from pathlib import Path

import pytest

from tests.shares import share_of

FILES = [(Path(f"test_{number}.py"), 100 * number % 700) for number in range(101)]
FILES += [(Path(f"module_{number}.py"), 50 * number) for number in range(31)]


@pytest.mark.parametrize("shares", [1, 2, 3, 16, 200])
def test_every_file_is_in_exactly_one_share(shares: int) -> None:
    dealt = Counter(path for share in range(shares) for path in share_of(FILES, share, shares))
    assert dealt == Counter(path for path, _ in FILES)


def test_every_process_deals_alike_in_whatever_order_the_files_are_found() -> None:
    assert share_of(FILES, 0, 2) == share_of(FILES[::-1], 0, 2)


@pytest.mark.parametrize("kind", ["test_", "module_"])
def test_both_halves_are_about_as_large(kind: str) -> None:
    sizes = dict(FILES)
    halves = [sum(sizes[path] for path in share_of(FILES, share, 2) if path.name.startswith(kind)) for share in (0, 1)]
    assert abs(halves[0] - halves[1]) <= 2 * max(size for path, size in FILES if path.name.startswith(kind))
