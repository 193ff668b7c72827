"""Brings news to the replicas of every model and knows where each replica stands: one per Windvane."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Conflict
from windvane.serve_apps.sync.split_subscriber import decode_split, encode_split
from windvane.serve_apps.sync.topics import FORGET_SECONDS, Position, Topics, split_topic
from windvane.serve_apps.traffic.loaded_versions import LoadedReport


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """One replica's last report: the revision in force (0: none) and the versions it holds."""

    replica: str
    in_force: int
    loaded: tuple[int, ...]
    seen_at: float  # Unix seconds
    trouble: str = ""  # why a newer split is not in force there yet
    known: int = 0  # revision of the newest split that it heard of
    routing: str = ""  # what that one routes where; empty when the replica does not say


class Switchboard:
    """Holds the topics and the newest report of every replica.

    Everything travels as JSON, so that replicas of two releases understand each other.
    """

    def __init__(self, topics: Topics | None = None, now: Callable[[], float] = time.time) -> None:
        self._topics = topics or Topics()
        self._now = now
        self._reports: dict[str, dict[str, ReplicaReport]] = {}  # by model, by replica

    async def post(self, topic: str, body: str, patience_seconds: float, revision: int | None = None) -> bool:
        """Tell every replica; whether all are known to have the newest in force, as soon as they are.

        Raises Conflict, see `Topics.post`.
        """
        return await self._topics.known(topic, self._topics.post(topic, body, revision), patience_seconds)

    async def publish(self, split_json: str) -> int:
        """Make a split the newest and return the revision that is, here or at a replica; an older one changes nothing.

        Raises Conflict when its revision already stands for another split, here or at a replica, and Invalid.
        """
        split = decode_split(split_json)
        topic = split_topic(split.model)
        self._topics.post(topic, encode_split(split), split.revision)
        # A replica outlives this process: it may go by a split that the store had before it was restored from a backup,
        # under a later revision, or under this one.
        reports = (await self.in_force(split.model)).values()
        for report in reports:
            if report.known == split.revision and report.routing not in ("", split.routing()):
                raise Conflict(f"Revision {split.revision} of {topic} is another split at replica {report.replica}")
        return max([self._topics.revision(topic), *(max(report.in_force, report.known) for report in reports)])

    async def read(
        self, model: str, reader: str, topics: tuple[str, ...], place_json: str, report_json: str | None = None
    ) -> str:
        """News for a reader, see `Topics.read`; the call also says where its replica stands."""
        if report_json is not None:
            await self.report(model, reader, report_json)
        news = await self._topics.read(f"{model}/{reader}", topics, json_decoder(Position).decode(place_json))
        replicas = max(1, len(await self.in_force(model)))
        return msgspec.json.encode(msgspec.structs.replace(news, replicas=replicas)).decode()

    async def report(self, model: str, replica: str, report_json: str) -> None:
        """Note where a replica stands, between two reads."""
        said = json_decoder(LoadedReport).decode(report_json)
        report = ReplicaReport(replica, said.revision, said.loaded, self._now(), said.trouble, said.known, said.routing)
        self._reports.setdefault(model, {})[replica] = report

    async def leave(self, model: str, reader: str) -> None:
        """Forget a reader that stops, and the report of a replica of its name."""
        self._topics.leave(f"{model}/{reader}")
        self._reports.get(model, {}).pop(reader, None)

    async def in_force(self, model: str) -> dict[str, ReplicaReport]:
        """The reports of the replicas that were heard of lately."""
        oldest = self._now() - FORGET_SECONDS
        reports = self._reports.get(model, {})
        self._reports[model] = {name: report for name, report in reports.items() if report.seen_at >= oldest}
        return dict(self._reports[model])
