"""Warnings of ours are in a replica's log file, however Serve has set its own logger up."""

import logging
from collections.abc import Iterator
from logging.handlers import MemoryHandler
from pathlib import Path

import pytest

from windvane.serve_apps.serve_hooks import attach


@pytest.fixture
def serve(tmp_path: Path, redacted_logs: None) -> Iterator[logging.Logger]:
    """As Serve sets it up in a Gateway: warnings only, and a thousand of them before one is written."""
    found = logging.Logger("ray.serve", logging.WARNING)
    file = logging.FileHandler(tmp_path / "replica.log")
    found.addHandler(MemoryHandler(1000, target=file))
    yield found
    file.close()
    attach(logging.Logger("silent"))


def test_a_warning_is_written_at_once(serve: logging.Logger, tmp_path: Path) -> None:
    attach(serve)
    logging.getLogger("windvane.part").warning("by a part")
    logging.getLogger("windvane.part").info("nobody asked")
    logging.getLogger("another").warning("not ours")
    assert (tmp_path / "replica.log").read_text() == "by a part\n"


def test_without_serve_it_goes_where_it_went(caplog: pytest.LogCaptureFixture, redacted_logs: None) -> None:
    attach(logging.Logger("ray.serve"))
    logging.getLogger("windvane.serve_apps.endpoints.refusal_log").warning("told")
    assert caplog.messages == ["told"]


def test_what_serve_and_we_write_of_an_exception_is_without_its_message(serve: logging.Logger, tmp_path: Path) -> None:
    logging.setLogRecordFactory(logging.LogRecord)  # as a process begins
    attach(serve)
    subject = "N725MQ"
    for logger in (logging.getLogger("windvane.part"), serve):
        try:
            dict[str, int]()[subject]
        except KeyError:
            logger.exception("a fault")
    serve.handlers[0].flush()
    written = (tmp_path / "replica.log").read_text()
    assert written.count("a fault\n") == written.count("\nbuiltins.KeyError\n") == 2
    assert subject not in written
