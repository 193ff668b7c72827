"""Replays labelled rows as live traffic: decisions in event order, outcomes when they became known, over HTTP.

A process of its own, as a client would be. It reads `pace N` (decisions per second) and `stop` from standard input and
prints one JSON document a line: how far it came, what failed.
"""

import asyncio
import heapq
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
import pyarrow.parquet as parquet

from windvane.cluster.host.secret_files import bearer

INSTANCES = 24  # decisions in one request
IN_FLIGHT = 6  # requests at once
OUTCOMES = 400  # outcomes in one request
REPORT_SECONDS = 0.5
CATCH_UP_SECONDS = 0.1  # how far behind the pace it may fall and still make up for it


@dataclass
class Progress:
    """Progress of the replay so far."""

    pace: float
    decided: int = 0
    outcomes: int = 0
    requests: int = 0
    failed_requests: int = 0
    event_time: str = ""
    first_error: str | None = None
    stopped: bool = False
    finished: bool = False


@dataclass(order=True)
class Landing:
    """An outcome that becomes known at `at` (Unix seconds)."""

    at: float
    decision_id: str = field(compare=False)
    label: bool = field(compare=False)


class Replay:
    """Sends one table's rows to one model."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        model: str,
        progress: Progress,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = http
        self._path = f"/v2/models/{model}"
        self._progress = progress
        self._now = now
        self._sleep = sleep
        self._landings: list[Landing] = []
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)

    async def run(self, rows: Iterable[list[dict[str, Any]]]) -> None:
        """Send batch after batch at the pace of the moment, then the outcomes that are left (not when stopped)."""
        due = self._now()
        async with asyncio.TaskGroup() as group:
            for batch in rows:
                if self._progress.stopped:
                    break
                await self._in_flight.acquire()
                group.create_task(self._decide(batch))
                self._progress.event_time = batch[0]["event_time"].isoformat()
                await self._tell(until=batch[0]["event_time"].timestamp())
                due = max(due, self._now() - CATCH_UP_SECONDS) + len(batch) / self._progress.pace
                await self._sleep(max(0.0, due - self._now()))
        if not self._progress.stopped:
            await self._tell(until=None)

    async def _decide(self, batch: list[dict[str, Any]]) -> None:
        instances = [
            {
                "subject": row["subject"],
                "features": row["features"],
                "context": {"event_time": row["event_time"].isoformat()},
            }
            for row in batch
        ]
        try:
            reply = await self._post("decide", {"instances": instances})
        finally:
            self._in_flight.release()
        if reply is None:
            return
        self._progress.decided += len(batch)
        for row, decision in zip(batch, reply["decisions"], strict=True):
            landing = Landing(row["known_at"].timestamp(), decision["decision_id"], row["label"])
            heapq.heappush(self._landings, landing)

    async def _tell(self, until: float | None) -> None:
        """Post the outcomes known by then; `None` posts all."""
        known: list[Landing] = []
        while self._landings and (until is None or self._landings[0].at <= until):
            known.append(heapq.heappop(self._landings))
            if len(known) == OUTCOMES:
                await self._post_outcomes(known)
                known = []
        if len(known) >= OUTCOMES // 4 or (until is None and known):
            await self._post_outcomes(known)
        else:
            for landing in known:
                heapq.heappush(self._landings, landing)

    async def _post_outcomes(self, known: list[Landing]) -> None:
        body = {"outcomes": [{"decision_id": each.decision_id, "label": each.label} for each in known]}
        if await self._post("outcomes", body) is not None:
            self._progress.outcomes += len(known)

    async def _post(self, verb: str, body: dict[str, Any]) -> dict[str, Any] | None:
        self._progress.requests += 1
        try:
            reply = await self._http.post(f"{self._path}/{verb}", json=body)
            if reply.status_code == 200:
                answer: dict[str, Any] = reply.json()
                return answer
            error = f"{reply.status_code} {reply.text[:300]}"
        except (httpx.HTTPError, ValueError) as problem:
            error = repr(problem)
        self._progress.failed_requests += 1
        self._progress.first_error = self._progress.first_error or error
        return None


def batches(
    file: Path, since: datetime, until: datetime, every: int, columns: "Columns"
) -> Iterator[list[dict[str, Any]]]:
    """Rows of the Parquet file in event order, INSTANCES at a time; `every` keeps one row in so many."""
    position = 0
    batch: list[dict[str, Any]] = []
    for chunk in parquet.read_table(file).to_batches(max_chunksize=4096):
        for row in chunk.to_pylist():
            if not since <= row[columns.time] < until:
                continue
            position += 1
            if position % every:
                continue
            batch.append(
                {
                    "subject": str(row[columns.subject]),
                    "features": {name: row[name] for name in columns.features},
                    "event_time": row[columns.time],
                    "known_at": row[columns.known_at],
                    "label": bool(row[columns.label]),
                }
            )
            if len(batch) == INSTANCES:
                yield batch
                batch = []
    if batch:
        yield batch


@dataclass(frozen=True)
class Columns:
    """Columns of the file, by the part they play."""

    features: tuple[str, ...]
    subject: str
    time: str
    known_at: str
    label: str


def _listen(progress: Progress) -> None:
    """Obey standard input; its end means that nobody steers any more, so stop."""
    for line in sys.stdin:
        verb, _, value = line.strip().partition(" ")
        if verb == "pace":
            progress.pace = max(1.0, float(value))
        elif verb == "stop":
            break
    progress.stopped = True


async def _report(progress: Progress) -> None:
    while True:
        sys.stdout.write(json.dumps(vars(progress)) + "\n")
        sys.stdout.flush()
        await asyncio.sleep(REPORT_SECONDS)


async def replay(
    url: str, headers: dict[str, str], model: str, rows: Iterator[list[dict[str, Any]]], pace: float
) -> Progress:
    """Send everything; returns the totals, which the last line printed says too."""
    progress = Progress(pace=pace)
    threading.Thread(target=_listen, args=(progress,), daemon=True).start()
    reporter = asyncio.create_task(_report(progress))
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30.0, trust_env=False) as http:
        await Replay(http, model, progress).run(rows)
    reporter.cancel()
    progress.finished = True
    sys.stdout.write(json.dumps(vars(progress)) + "\n")
    sys.stdout.flush()
    return progress


@click.command()
@click.option("--url", required=True)
@click.option("--model", required=True)
@click.option("--key-file", type=click.Path(path_type=Path), required=True, help="Where the key lies that is shown.")
@click.option("--file", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--columns", required=True, help="JSON of Columns.")
@click.option("--since", type=click.DateTime(), required=True)
@click.option("--until", type=click.DateTime(), required=True)
@click.option("--pace", type=float, default=1000.0)
@click.option("--every", type=int, default=1)
def main(
    url: str,
    model: str,
    key_file: Path,
    file: Path,
    columns: str,
    since: datetime,
    until: datetime,
    pace: float,
    every: int,
) -> None:
    """Replay FILE against MODEL at URL."""
    roles = json.loads(columns)
    rows = batches(
        file,
        since.replace(tzinfo=UTC),
        until.replace(tzinfo=UTC),
        every,
        Columns(**{**roles, "features": tuple(roles["features"])}),
    )
    asyncio.run(replay(url, bearer(key_file), model, rows, pace))


if __name__ == "__main__":
    main()
