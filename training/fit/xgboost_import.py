"""xgboost without scikit-learn and pandas, which it would import for types not used here: three seconds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Absent:
    """Says that packages are not installed."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, name: str, *_: object) -> None:
        """Refuse the names, and leave others to who comes next."""
        if name in self._names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Packages that are not there meanwhile, unless they are imported already; other threads see the same."""
    finder = _Absent(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with absent("sklearn", "pandas"):
    import xgboost as xgboost
