"""`windvane demo`: ten months of real flights through a model that drifts, retrains and proves itself."""

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.errors import Conflict, WindvaneError
from windvane.cluster.runtime import addresses
from windvane.configs.load import load_model
from windvane.configs.schema import ModelSpec
from windvane.configs.settings import Settings
from windvane.examples.demo import report
from windvane.examples.demo.running import POLL_SECONDS, Running
from windvane.examples.demo.summary import broken_promises, summary
from windvane.examples.demo.view import View

MODEL = "flight-delay"
BUG = "python:windvane.examples.flights:load_with_unit_bug"
SINCE, UNTIL = datetime(2013, 3, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
FAST, TRAINING, PROVING = 3500.0, 150.0, 1200.0  # decisions per second while nothing, a job, a rollout is going on


class Demo:
    """One run, told in the order in which it happens."""

    def __init__(self, settings: Settings, view: View) -> None:
        self._settings = settings
        self._home = Path(settings.home)
        self._view = view
        self._spec: ModelSpec = load_model(MODEL, settings)
        self._events: list[dict[str, Any]] = []
        self._defective: int | None = None
        self._defect_job: str | None = None
        self._replay: dict[str, Any] = {}
        self._start = time.monotonic()

    def run(self) -> dict[str, Any]:
        """From nothing to the report."""
        flights = threading.Thread(target=self._prepare_flights)
        flights.start()
        self._running = Running(self._settings, self._spec, self._view.stage)
        self._api = self._running.api
        flights.join()
        self._view.stage("training version 1 on January and February")
        self._running.finish(self._running.train("train-v1", "first version"))
        self._view.stage("deploying version 1")
        self._running.deploy()
        self._api.pin(MODEL, [1])  # v1 stays a shadow for ever: what "never retrained" would have said
        self._view.stage("replaying flights from March on")
        process = self._start_replay()
        try:
            self._steer(process)
        finally:
            process.terminate()
            process.wait()
        return self._report()

    def _prepare_flights(self) -> None:
        """The flights as one Parquet file, so that the replay's process needs no joins."""
        import pyarrow.parquet as parquet

        from windvane.examples.flights import load

        self._file = self._home / "flights.parquet"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(load(), self._file)

    def _start_replay(self) -> "subprocess.Popen[str]":
        columns = {
            "features": [feature.name for feature in self._spec.features],
            "subject": self._spec.data.subject,
            "time": self._spec.data.time,
            "known_at": "landed_at",
            "label": self._spec.target.name,
        }
        command = [
            *(sys.executable, "-m", "windvane.examples.demo.replay"),
            *("--url", addresses.url(self._settings), "--model", MODEL, "--file", str(self._file)),
            *("--key-file", str(self._settings.key_file)),
            *("--columns", json.dumps(columns), "--pace", str(FAST), "--every", "1"),
            *("--since", SINCE.strftime("%Y-%m-%d"), "--until", UNTIL.strftime("%Y-%m-%d")),
        ]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._listener = threading.Thread(target=self._listen, args=(process,), daemon=True)
        self._listener.start()
        return process

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._replay = json.loads(line)

    def _steer(self, process: "subprocess.Popen[str]") -> None:
        """Let the months pass, slower while the loop is at work: a job takes minutes of a month, not weeks."""
        pace = 0.0
        while process.poll() is None:
            status = self._api.status()
            model = next(each for each in status["models"] if each["name"] == MODEL)
            self._note_events()
            self._second_act(model)
            wanted = self._pace(model)
            if wanted != pace and process.stdin is not None:
                pace = wanted
                with suppress(BrokenPipeError):  # it came to its end just now
                    process.stdin.write(f"pace {pace}\n")
            self._view.draw(status, self._replay or None, self._share())
            time.sleep(POLL_SECONDS)
        self._listener.join()  # its last line has the totals
        self._note_events()
        if process.returncode or not self._replay.get("finished"):
            raise WindvaneError(f"The replay ended with exit code {process.returncode} before its end.")

    def _pace(self, model: dict[str, Any]) -> float:
        request = model.get("retrain")
        if request and request["status"] in ("open", "submitted"):
            self._view.stage(f"retraining while traffic flows: {request['reason']}"[:140])
            return TRAINING
        rollout = model.get("rollout")
        if rollout and rollout["phase"] in ("shadow", "step", "bake"):
            self._view.stage(f"proving version {rollout['candidate']} on live traffic")
            return PROVING
        if self._defect_job is not None and self._defective is None:
            return PROVING
        self._view.stage("months pass")
        return FAST

    def _second_act(self, model: dict[str, Any]) -> None:
        """A version with a real-life bug, forced past the offline gate: it has to be caught on traffic."""
        promoted = any(event["kind"] == "promoted" for event in self._events)
        if self._defect_job is None and promoted:
            self._view.stage("training a defective version: one feature in the wrong unit, offline gate overridden")
            now = self._replay["event_time"]  # what it may know is what has happened
            options = ("--source", BUG, "--until", now, "--override-gate")
            self._defect_job = self._running.train("train-defective", "minutes sent as hours (demo)", *options)
        if self._defect_job is None or self._defective is not None:
            return
        state = self._running.jobs.status(self._defect_job)
        if state.state == "failed":
            raise WindvaneError(
                f"The defective version could not be trained: {self._running.jobs.logs(self._defect_job)[-2000:]}"
            )
        rollout = model.get("rollout")
        busy = bool(rollout and rollout["phase"] in ("shadow", "step", "bake"))
        if state.state == "succeeded" and not busy:
            newest = max(each["number"] for each in self._api.versions(MODEL) if each["request_id"] is None)
            order = {
                "version": newest,
                "reason": "demo: offline gate overridden, no shadow phase",
                "skip_shadow": True,
                "override_gate": True,
            }
            try:
                self._api.start_rollout(MODEL, order)
            except Conflict:
                return  # the loop began a rollout of its own just now: after it
            self._defective = newest

    def _note_events(self) -> None:
        while page := self._api.events(MODEL, self._events[-1]["number"] if self._events else 0):
            for event in page:
                self._events.append(event)
                self._view.note(event)

    def _share(self) -> float:
        if not self._replay.get("event_time"):
            return 0.0
        now = datetime.fromisoformat(self._replay["event_time"])
        return (now - SINCE) / (UNTIL - SINCE)

    def _report(self) -> dict[str, Any]:
        self._view.stage("writing the report")
        query = Query(self._home / "log" / MODEL, self._spec.features)
        found = report.build(query, self._events, self._api.versions(MODEL), frozen=1, defective=self._defective)
        if found["rollback"] is not None:
            found["rollback"]["failed_requests"] = self._replay["failed_requests"]
        found["failed_requests"] = self._replay["failed_requests"]
        found["first_error"] = self._replay["first_error"]
        found["requests"] = self._replay["requests"]
        found["seconds"] = round(time.monotonic() - self._start, 1)
        return found


def run(settings: Settings, folder: Path, console: Console) -> list[str]:
    """From nothing to the report under `folder` and its summary; returns every promise that was not kept."""
    with View(console) as view:
        found = Demo(settings, view).run()
    report.write(found, folder)
    summary(console, found, folder)
    return broken_promises(found)
