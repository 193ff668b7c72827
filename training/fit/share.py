"""Sizes a training's share of the cluster: one that serving cannot take, where the head keeps one."""

from collections.abc import Mapping

from windvane.cluster.jobs import TRAINING_SHARE

PLAIN_SHARE = 0.5  # CPUs a process, where nothing is kept: it works behind replicas anyway (`processes.step_back`)


def share(cluster: Mapping[str, float]) -> dict[str, float]:
    """The resources of one process that searches or fits, given those of the whole cluster.

    >>> share({"CPU": 2.0, "windvane_training": 2.0}), share({"CPU": 64.0})
    ({'windvane_training': 1.0}, {'CPU': 0.5})
    """
    return {TRAINING_SHARE: 1.0} if cluster.get(TRAINING_SHARE, 0.0) >= 1.0 else {"CPU": PLAIN_SHARE}


def most_workers(asked: int, free: Mapping[str, float], cluster: Mapping[str, float]) -> int:
    """So many of `asked` as find a place now, and one at least, which may have to wait.

    >>> most_workers(4, {"windvane_training": 2.0}, {"windvane_training": 2.0})
    2
    >>> most_workers(4, {"CPU": 0.2}, {"CPU": 2.0})
    1
    """
    ((resource, amount),) = share(cluster).items()
    return max(1, min(asked, int(free.get(resource, 0.0) / amount)))
