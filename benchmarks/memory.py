"""Resident memory of processes over time, and whether it stays where it was after warm-up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

import psutil

MOST_GROWTH = 0.05  # of what a process had after warm-up
EDGE_SHARE = 0.1  # of the time after warm-up whose median is "after warm-up", and "at the end"


@dataclass(frozen=True, slots=True)
class Growth:
    """One process: resident bytes after warm-up, at the end and at most in between.

    Of its own are those that no file backs: the kernel takes pages of program files away and brings them back.
    """

    name: str
    pid: int
    before: float
    after: float
    most: float
    own_before: float
    own_after: float

    @property
    def share(self) -> float:
        """Gain as a share of what it had after warm-up."""
        return self.after / self.before - 1.0

    @property
    def own_share(self) -> float:
        """The same of what is its own."""
        return self.own_after / self.own_before - 1.0

    @property
    def is_flat(self) -> bool:
        """Whether it is within the limit."""
        return self.share <= MOST_GROWTH


@dataclass(frozen=True, slots=True)
class Sample:
    """Bytes of one process, so many seconds after the start: resident, and of those its own."""

    at: float
    resident: int
    own: int


@dataclass(slots=True)
class Memory:
    """Samples by process."""

    names: dict[int, str] = field(default_factory=dict)
    samples: dict[int, list[Sample]] = field(default_factory=dict)

    def sample(self, seconds: float, processes: Iterable[psutil.Process]) -> None:
        """Read every process that is there."""
        for process in processes:
            try:
                found, name = process.memory_info(), title(process)  # a worker of Ray's is renamed once it has an actor
            except psutil.NoSuchProcess:
                continue
            self.add(process.pid, name, Sample(seconds, found.rss, found.rss - found.shared))

    def add(self, pid: int, name: str, sample: Sample) -> None:
        """One more of a process."""
        self.names[pid] = name
        self.samples.setdefault(pid, []).append(sample)

    def growths(self, warm_up: float, end: float) -> list[Growth]:
        """Of every process that lived from the end of the warm-up to the end, by name.

        >>> memory = Memory()
        >>> for minute in range(31): memory.add(7, "raylet", Sample(60.0 * minute, 100 + minute * (minute < 5), 80))
        >>> [(each.name, each.is_flat) for each in memory.growths(warm_up=300.0, end=1800.0)]
        [('raylet', True)]
        """
        edge = EDGE_SHARE * (end - warm_up)
        found = []
        for pid, samples in self.samples.items():
            first = [each for each in samples if warm_up <= each.at <= warm_up + edge]
            last = [each for each in samples if each.at >= end - edge]
            if first and last:
                before, after = (median(each.resident for each in part) for part in (first, last))
                own_before, own_after = (median(each.own for each in part) for part in (first, last))
                most = max(each.resident for each in samples if each.at >= warm_up)
                found.append(Growth(self.names[pid], pid, before, after, most, own_before, own_after))
        return sorted(found, key=lambda growth: (growth.name, growth.pid))

    def by_minute(self) -> dict[str, list[float]]:
        """Resident megabytes of every process, the first sample of each minute that it lived."""
        found = {}
        for pid, samples in self.samples.items():
            minutes = {int(each.at // 60.0): each.resident for each in reversed(samples)}
            found[f"{self.names[pid]} {pid}"] = [round(minutes[at] / 1e6, 1) for at in sorted(minutes)]
        return found


def title(process: psutil.Process) -> str:
    """Name that a person would give the process.

    Ray's are named by themselves (`ray::ServeReplica:bench:Gateway`), Python's by the file or module they run.
    """
    command = process.cmdline()
    if not command:
        return process.name()
    if command[0].startswith("ray::"):
        return command[0]
    for argument in command[1:]:
        if argument.endswith(".py") or argument == "-m":
            place = command.index(argument)
            chosen = command[place + 1] if argument == "-m" and place + 1 < len(command) else argument
            return chosen.rsplit("/", 1)[-1]
    return process.name()


def table(growths: Iterable[Growth]) -> str:
    """One line a process, in MB."""
    lines = [f"{'process':48} {'after warm-up':>14} {'at the end':>11} {'most':>8} {'growth':>8} {'of its own':>10}"]
    for each in growths:
        mark = "" if each.is_flat else "  grows"
        lines.append(
            f"{each.name[:48]:48} {each.before / 1e6:11.1f} MB {each.after / 1e6:8.1f} MB {each.most / 1e6:5.1f} MB "
            f"{100 * each.share:7.2f}% {100 * each.own_share:9.2f}%{mark}"
        )
    return "\n".join(lines)


def as_json(growths: Iterable[Growth]) -> list[Mapping[str, object]]:
    """The same for a file."""
    return [
        {
            "process": each.name,
            "before": each.before,
            "after": each.after,
            "most": each.most,
            "share": each.share,
            "own_share": each.own_share,
        }
        for each in growths
    ]
