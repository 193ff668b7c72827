"""The border of every entry: an exception becomes a sentence with a way on, and its traceback goes to a file.

Messages of foreign exceptions repeat rows, keys and passwords, and sentences end in events and logs. So neither the
sentence nor the file has them: the sentence says what kind of thing went wrong and where, the file has the frames.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from windvane.cluster.errors import WindvaneError
from windvane.cluster.faults.log_redaction import brief, frames, place_of
from windvane.configs.complaint import BadDeclaration
from windvane.configs.tables.bad_table import BadTable

_OURS = (WindvaneError, BadDeclaration, BadTable)
LARGEST = 1_000_000  # bytes of the file, beyond which it begins anew beside one older


def sentence(error: BaseException, home: Path | None = None) -> str:
    """Sentence for a person; the traceback is in `errors.log` of Windvane's home unless the sentence says it all."""
    if isinstance(error, _OURS):
        keep_cause(error, home)
        return error.line if isinstance(error, WindvaneError) else str(error)
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    kept = _keep(error, home)
    return f"{_what(error)}; {kept}"


def keep_cause(error: BaseException, home: Path | None = None) -> None:
    """Keep the traceback of an error that says it all, where something foreign has led to it."""
    cause = error.__cause__
    while isinstance(cause, (*_OURS, OSError, ValidationError)):
        cause = cause.__cause__
    if cause is not None:
        _keep(error, home)


def _what(error: BaseException) -> str:
    place = place_of(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"The package {error.name} is missing; install it into this environment"
    if isinstance(error, MemoryError):
        return f"Memory ran out at {place}; give it fewer rows or more memory"
    if isinstance(error, ValidationError):
        fields = sorted({".".join(map(str, detail["loc"])) for detail in error.errors(include_input=False)})
        return f"What was found for {error.title} does not hold: {', '.join(fields[:5])} ({brief(error)})"
    if isinstance(error, UnicodeError):
        return f"Text that is not {getattr(error, 'encoding', 'utf-8')} was met at {place}; save it as UTF-8"
    if isinstance(error, OSError):
        return brief(error)
    return f"This should not have happened: {brief(error)}"


def _keep(error: BaseException, home: Path | None) -> str:
    """Append the frames of the error and of what caused it; says where, or that it could not be written."""
    file = (home or Path(os.environ.get("WINDVANE_HOME") or "var").expanduser().absolute()) / "errors.log"
    text = "\n".join([f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", *frames(error), ""])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > LARGEST:
            file.replace(file.with_suffix(".log.1"))
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as out:
            out.write(text)
    except OSError as unwritable:
        return f"its traceback could not be kept in {file} ({unwritable.strerror})"
    return f"its traceback is in {file}: send it with a report"
