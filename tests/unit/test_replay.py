"""The replay is a client as one would be: outcomes follow landings, failures are counted, the pace is obeyed."""

import asyncio
import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from examples.demo import replay
from examples.demo.replay import INSTANCES, OUTCOMES, Columns, Progress, Replay, batches

MORNING = datetime(2013, 3, 1, 8, tzinfo=UTC)
COLUMNS = Columns(("distance",), "tail", "time", "landed_at", "late")


def flight(minute: int, landing: int) -> dict[str, Any]:
    """A departure so many minutes after eight, which lands `landing` minutes after eight."""
    return {
        "subject": "N725MQ",
        "features": {"distance": 100.0 + minute},
        "event_time": MORNING + timedelta(minutes=minute),
        "known_at": MORNING + timedelta(minutes=landing),
        "label": minute % 2 == 0,
    }


class FakeDoor:
    """Answers decisions and takes outcomes; remembers how late it was in the replay at each outcome."""

    def __init__(self) -> None:
        self.clock: Callable[[], datetime] = lambda: MORNING
        self.decided = 0
        self.told: list[tuple[datetime, str, bool]] = []
        self.sizes: list[int] = []
        self.failures: list[httpx.Response | Exception] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        body = json.loads(request.content)
        if request.url.path.endswith("/outcomes"):
            self.sizes.append(len(body["outcomes"]))
            self.told += [(self.clock(), each["decision_id"], each["label"]) for each in body["outcomes"]]
            return httpx.Response(200, json={"accepted": len(body["outcomes"])})
        first = self.decided
        self.decided += len(body["instances"])
        return httpx.Response(200, json={"decisions": [{"decision_id": f"d{n}"} for n in range(first, self.decided)]})


class Run:
    """One replay over a made-up clock that only sleeping moves."""

    def __init__(self, door: FakeDoor, pace: float = 240.0) -> None:
        self.door = door
        self.progress = Progress(pace)
        self.seconds = 0.0
        door.clock = lambda: datetime.fromisoformat(self.progress.event_time)

    async def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        for _ in range(20):  # whatever is in flight arrives
            await asyncio.sleep(0)

    def of(self, rows: Any) -> Progress:
        async def run() -> None:
            transport = httpx.MockTransport(self.door)
            async with httpx.AsyncClient(transport=transport, base_url="http://windvane") as http:
                await Replay(http, "trips", self.progress, lambda: self.seconds, self._sleep).run(rows)

        asyncio.run(run())
        return self.progress


@pytest.fixture
def door() -> FakeDoor:
    return FakeDoor()


def test_an_outcome_comes_after_its_landing_and_none_is_missing(door: FakeDoor) -> None:
    flights = [flight(minute, landing=minute + 30 + minute % 7) for minute in range(600)]
    progress = Run(door).of([flights[start : start + 10] for start in range(0, 600, 10)])
    landings = {f"d{minute}": each["known_at"] for minute, each in enumerate(flights)}
    assert sorted(name for _, name, _ in door.told) == sorted(landings)
    last_batch = flights[-10]["event_time"]  # the rest lands after it
    assert [name for clock, name, _ in door.told if clock < landings[name] and clock != last_batch] == []
    assert all(label == flights[int(name[1:])]["label"] for _, name, label in door.told)
    assert (progress.decided, progress.outcomes, progress.failed_requests) == (600, 600, 0)
    assert progress.requests == 60 + len(door.sizes)
    assert len(door.sizes) > 2


def test_outcomes_go_out_in_handy_numbers(door: FakeDoor) -> None:
    together = [[flight(minute, landing=500) for minute in range(900)], [flight(501, landing=502)]]
    Run(door).of(together)
    assert door.sizes == [OUTCOMES, OUTCOMES, 900 - 2 * OUTCOMES, 1]


def test_the_pace_is_obeyed(door: FakeDoor) -> None:
    run = Run(door, pace=240.0)
    run.of([[flight(0, 9)] * 24 for _ in range(10)])
    assert run.seconds == pytest.approx(1.0)


def test_a_new_pace_counts_from_the_next_batch(door: FakeDoor) -> None:
    run = Run(door, pace=24.0)

    def rows() -> Any:
        for turn in range(4):
            if turn == 2:
                run.progress.pace = 240.0
            yield [flight(0, 9)] * 24

    run.of(rows())
    assert run.seconds == pytest.approx(1.0 + 1.0 + 0.1 + 0.1)


def test_time_lost_long_ago_is_not_made_up_for(door: FakeDoor) -> None:
    """After a pause the replay goes on at its pace, not in a burst."""
    run = Run(door, pace=24.0)

    def rows() -> Any:
        yield [flight(0, 9)] * 24
        run.seconds += 50.0
        yield [flight(0, 9)] * 24

    run.of(rows())
    assert run.seconds == pytest.approx(1.0 + 50.0 + 0.9)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (httpx.Response(503, text="no version in force"), "503 no version in force"),
        (httpx.ConnectError("refused"), "ConnectError"),
        (httpx.Response(200, text="<html>"), "JSONDecodeError"),
    ],
)
def test_a_failed_request_is_counted_and_the_replay_goes_on(
    door: FakeDoor, failure: httpx.Response | Exception, words: str
) -> None:
    door.failures = [failure, httpx.Response(500, text="later")]
    progress = Run(door).of([[flight(minute, 60)] for minute in range(5)])
    assert (progress.failed_requests, progress.decided, progress.outcomes) == (2, 3, 3)
    assert progress.first_error is not None
    assert words in progress.first_error


def test_when_stopped_no_flight_is_said_to_have_landed(door: FakeDoor) -> None:
    run = Run(door)

    def rows() -> Any:
        yield [flight(0, landing=60)]
        run.progress.stopped = True
        yield [flight(1, landing=60)]

    assert run.of(rows()).decided == 1
    assert door.told == []


def test_an_answer_of_another_shape_ends_the_replay_loudly(door: FakeDoor) -> None:
    door.failures = [httpx.Response(200, json={"decisions": []})]
    with pytest.raises(ExceptionGroup):
        Run(door).of([[flight(0, 9)]])


def test_rows_come_in_the_files_order_within_the_span(tmp_path: Path) -> None:
    hours = [MORNING + timedelta(hours=hour) for hour in range(60)]
    table = pa.table(
        {
            "distance": [float(hour) for hour in range(60)],
            "tail": list(range(60)),
            "time": pa.array(hours, pa.timestamp("us", "UTC")),
            "landed_at": pa.array([hour + timedelta(hours=2) for hour in hours], pa.timestamp("us", "UTC")),
            "late": [hour % 2 for hour in range(60)],
        }
    )
    parquet.write_table(table, tmp_path / "flights.parquet")
    found = list(batches(tmp_path / "flights.parquet", hours[5], hours[55], 1, COLUMNS))
    assert [len(batch) for batch in found] == [INSTANCES, INSTANCES, 2]
    rows = [row for batch in found for row in batch]
    assert [row["event_time"] for row in rows] == hours[5:55]
    assert rows[0]["known_at"] == hours[7]
    assert (rows[0]["features"], rows[0]["subject"], rows[0]["label"]) == ({"distance": 5.0}, "5", True)
    every_tenth = [
        row for batch in batches(tmp_path / "flights.parquet", hours[0], hours[59], 10, COLUMNS) for row in batch
    ]
    assert [row["subject"] for row in every_tenth] == ["9", "19", "29", "39", "49"]


@pytest.mark.parametrize("orders", ["pace 700\n", "pace 700\nstop\npace 1\n"])
def test_orders_come_by_standard_input_and_its_end_stops(monkeypatch: pytest.MonkeyPatch, orders: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(orders))
    progress = Progress(5.0)
    replay._listen(progress)
    assert (progress.pace, progress.stopped) == (700.0, True)
