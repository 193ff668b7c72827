"""Compiles every kernel ahead of the first model, in a process of its own.

    python -m windvane.serve_apps.versions.kernels

Compiling takes six seconds, once on a machine: who deploys a first model would wait for it. Does nothing where what was
compiled is kept already.
"""

import numpy as np

from windvane.serve_apps.versions.booster.forest import Forest
from windvane.serve_apps.versions.treeshap.quadrature import Quadrature
from windvane.serve_apps.versions.treewalk.walk import Walk


def smallest_forest() -> Forest:
    """One tree with one split: kernels are compiled for kinds of arrays, whatever stands in them."""
    return Forest(
        features=1,
        objective="binary:logistic",
        groups=1,
        base=np.zeros(1),
        roots=np.zeros(1, np.int32),
        group=np.zeros(1, np.int32),
        left=np.array([1, -1, -1], np.int32),
        right=np.array([2, -1, -1], np.int32),
        feature=np.zeros(3, np.int32),
        threshold=np.zeros(3, np.float32),
        missing_left=np.zeros(3, np.bool_),
        value=np.array([0.0, -1.0, 1.0]),
        cover=np.array([2.0, 1.0, 1.0]),
        category_start=np.full(3, -1, np.int32),
        category_words=np.zeros(3, np.int32),
        categories=np.zeros(1, np.uint32),
    )


def compile_all() -> None:
    """Blocking; afterwards a version of any model loads without compiling."""
    forest = smallest_forest()
    Walk(forest)
    Quadrature(forest)


if __name__ == "__main__":
    compile_all()
