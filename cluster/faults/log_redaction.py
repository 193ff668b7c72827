"""Keeps what foreign exceptions say out of every log of a process, whoever writes it.

A KeyError's message is the key, which may be a subject or a value of a row, and no erasure reaches a log. So a record
shows an exception's frames and type; its message only where the exception is a class of ours, whose sentences repeat no
value. Done where records are made, so that it holds for each logger and handler: ours, Serve's, asyncio's.
"""

import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

UNHANDLED = "An exception that nobody caught or awaited"  # asyncio's own words repeat it, and arguments of callbacks
NO_EXCEPTION = (None, None, None)  # true, since Ray's JSON formatter shows `exc_text` only beside something true


def redact_logs() -> None:
    """Show exceptions without foreign messages in this process from here on; doing it twice changes nothing."""
    made = logging.getLogRecordFactory()
    if not isinstance(made, _Redacting):
        logging.setLogRecordFactory(_Redacting(made))


def frames(error: BaseException) -> Iterator[str]:
    """Lines: the frames of what caused the error and of itself, each followed by the type, and by a message of ours."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from frames(cause)
        yield "which led to"
    if type(error).__name__.startswith("RayTaskError"):  # its text is the traceback of the process that raised it
        yield from (line for line in str(error).splitlines() if line.startswith('  File "'))
    yield from (line.rstrip("\n") for line in traceback.format_tb(error.__traceback__))
    yield f"{type(error).__module__}.{type(error).__qualname__}{f': {error}' if _is_ours(error) else ''}"


def brief(error: BaseException) -> str:
    """One line on an error that may be told: a sentence of ours, else its kind and where it was raised."""
    if _is_ours(error):
        return str(error)
    words = isinstance(error, OSError) and error.strerror
    return f"{words or type(error).__name__} at {place_of(error)}"


def _is_ours(error: BaseException) -> bool:
    """Also false for Ray's copies of errors of ours, whose text is the whole traceback of where they come from."""
    return type(error).__module__.startswith("windvane.")


def place_of(error: BaseException) -> str:
    """The last frame in code of ours, or the last one at all."""
    found = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in found if "site-packages" not in frame.filename and "<" not in frame.filename]
    if not found:
        return "an unknown place"
    last = (own or found)[-1]
    return f"{Path(last.filename).parent.name}/{Path(last.filename).name}:{last.lineno}"


class _Redacting:
    """Makes records as `made` does, which may be Ray's."""

    def __init__(self, made: Callable[..., logging.LogRecord]) -> None:
        self._made = made

    def __call__(self, *given: Any, **named: Any) -> logging.LogRecord:
        record = self._made(*given, **named)
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            record.exc_text, record.exc_info = "\n".join(frames(error)), NO_EXCEPTION
            if record.name == "asyncio":
                record.msg, record.args = UNHANDLED, ()
        if isinstance(record.msg, BaseException):
            record.msg, record.args = brief(record.msg), ()
        if isinstance(record.args, tuple) and any(isinstance(each, BaseException) for each in record.args):
            record.args = tuple(brief(each) if isinstance(each, BaseException) else each for each in record.args)
        return record
