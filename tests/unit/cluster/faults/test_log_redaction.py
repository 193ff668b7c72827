"""Whoever logs an exception, its frames and type are there, and no message of a foreign one."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable

import pytest
from ray._common.formatters import JSONFormatter
from ray.exceptions import RayTaskError

from windvane.cluster.errors import Conflict, Invalid
from windvane.cluster.faults.log_redaction import UNHANDLED, brief, redact_logs
from windvane.monitoring import ray_monitor
from windvane.serve_apps.sync import ray_switchboard
from windvane.training import retrain

SUBJECT = "N725MQ"
logger = logging.getLogger("windvane.test")
pytestmark = pytest.mark.usefixtures("redacted_logs")


def look_up() -> None:
    dict[str, int]()[SUBJECT]


def chained() -> None:
    try:
        look_up()
    except KeyError as error:
        raise Invalid("Not so.") from error


def while_handling() -> None:
    try:
        look_up()
    except KeyError:
        raise ValueError(SUBJECT) from Invalid("Not so.")


def at_a_monitor() -> None:
    try:
        look_up()
    except KeyError as error:
        told = f'ray::snapshot()\n  File "monitor.py", line 7, in snapshot\nKeyError: {SUBJECT!r}'
        raise RayTaskError("snapshot", told, error).as_instanceof_cause() from None


def of_ours_at_a_switchboard() -> None:
    told = f'ray::publish()\n  File "store.py", line 9, in load\nKeyError: {SUBJECT!r}\nConflict: no'
    raise RayTaskError("publish", told, Conflict("no")).as_instanceof_cause()


@pytest.mark.parametrize(
    ("act", "shown"),
    [
        (look_up, ["in look_up\n", "\nbuiltins.KeyError"]),
        (chained, ["in look_up\n", "KeyError\nwhich led to\n", "in chained\n", "errors.Invalid: Not so."]),
        (while_handling, ["errors.Invalid: Not so.\nwhich led to\n", "in while_handling\n", "\nbuiltins.ValueError"]),
        (at_a_monitor, ['  File "monitor.py", line 7, in snapshot\n', "\nray.exceptions.RayTaskError(KeyError)"]),
        (of_ours_at_a_switchboard, ['  File "store.py", line 9', "\nray.exceptions.RayTaskError(Conflict)"]),
    ],
)
def test_a_log_shows_where_and_which_kind(
    caplog: pytest.LogCaptureFixture, act: Callable[[], None], shown: list[str]
) -> None:
    try:
        act()
    except Exception:
        logger.exception("%d rows were not decided", 3)
    assert caplog.messages == ["3 rows were not decided"]
    assert [each for each in shown if each not in caplog.text] == []
    assert SUBJECT not in caplog.text


def test_an_exception_among_the_words_is_its_kind_and_place(caplog: pytest.LogCaptureFixture) -> None:
    for error in (KeyError(SUBJECT), Invalid("100 % wrong")):
        try:
            raise error
        except Exception as raised:  # noqa: BLE001  to say it
            logger.warning("Arm %s: %s", "canary", raised)
            logger.error(raised)
    foreign, alone, *ours = caplog.messages
    assert foreign.startswith("Arm canary: KeyError at faults/test_log_redaction.py:")
    assert alone.startswith("KeyError at faults/test_log_redaction.py:")
    assert ours == ["Arm canary: 100 % wrong", "100 % wrong"]
    assert brief(OSError(28, "No space left on device")) == "No space left on device at an unknown place"


def test_what_a_loop_says_of_callbacks_repeats_no_argument(caplog: pytest.LogCaptureFixture) -> None:
    def count(subject: str) -> None:
        raise KeyError(subject)

    async def scenario() -> None:
        asyncio.get_running_loop().call_soon(count, SUBJECT)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(scenario())
    assert caplog.messages == [UNHANDLED]
    assert "in count\n" in caplog.text
    assert SUBJECT not in caplog.text


def test_rays_json_shows_the_frames_too(caplog: pytest.LogCaptureFixture) -> None:
    try:
        look_up()
    except KeyError:
        logger.exception("a fault")
    written = json.loads(JSONFormatter().format(caplog.records[0]))
    assert written["exc_text"].endswith("\nbuiltins.KeyError")
    assert SUBJECT not in str(written)


def test_what_is_no_exception_is_logged_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    redact_logs()
    logger.warning("%(a)s", {"a": 1})
    logger.warning("plain", exc_info=True)
    assert caplog.messages == ["1", "plain"]


def test_every_worker_of_our_head_begins_with_it() -> None:
    program = (
        "import windvane.serve_apps.worker, logging, sys\n"
        "try:\n    {}[sys.argv[1]]\nexcept KeyError:\n    logging.exception('so')"
    )
    done = subprocess.run([sys.executable, "-c", program, SUBJECT], capture_output=True, text=True, check=True)
    assert "builtins.KeyError" in done.stderr
    assert SUBJECT not in done.stderr


@pytest.mark.parametrize(
    ("begin", "next_step"),
    [
        (lambda: ray_monitor.MonitorActor("", ""), "windvane.monitoring.ray_monitor.step_back"),
        (lambda: ray_switchboard.Switchboard(), "windvane.serve_apps.sync.switchboard.Topics"),
        (retrain.command, "windvane.training.retrain.have_a_home"),
    ],
    ids=["monitor", "switchboard", "training"],
)
def test_what_may_run_at_another_head_begins_with_it(
    monkeypatch: pytest.MonkeyPatch, begin: Callable[[], object], next_step: str
) -> None:
    def stop(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr(next_step, stop)
    logging.setLogRecordFactory(logging.LogRecord)
    with pytest.raises(InterruptedError):
        begin()
    assert logging.getLogRecordFactory() is not logging.LogRecord
