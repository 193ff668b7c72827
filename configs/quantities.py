"""The quantities a declaration is written in: durations, moments, shares, counts, figures and flags."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_LONGEST = 36_525 * 86_400.0


def parse_duration(text: object) -> object:
    """Read `90s`, `5m`, `12h`, `28d` or `4w`; anything else is left for the validator to refuse.

    >>> parse_duration("28d")
    datetime.timedelta(days=28)
    """
    if isinstance(text, str):
        match = _DURATION.match(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a duration; write 90s, 5m, 12h, 28d or 4w")
        seconds = float(match[1]) * _SECONDS[match[2]]
        if seconds > _LONGEST:
            raise ValueError(f"{text!r} is longer than 100 years")
        return timedelta(seconds=seconds)
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise ValueError(f"{text!r} has no unit; write 90s, 5m, 12h, 28d or 4w")
    return text


def spell_duration(span: timedelta) -> str:
    """The shortest text that `parse_duration` reads as the same span.

    >>> spell_duration(timedelta(days=28)), spell_duration(timedelta(seconds=90)), spell_duration(timedelta(0))
    ('28d', '90s', '0s')
    """
    seconds = span.total_seconds()
    unit = next((unit for unit in ("d", "h", "m") if seconds and seconds % _SECONDS[unit] == 0), "s")
    return f"{seconds / _SECONDS[unit]:.6f}".rstrip("0").rstrip(".") + unit


def _parse_moment(value: object) -> object:
    """A date or time without a zone is UTC; plain numbers are refused, since they could be seconds or a date."""
    if isinstance(value, int | float):
        raise ValueError(f"{value!r} is a number, not a date or time; write 2013-03-01 or 2013-03-01T17:30:00Z")
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"{value!r} is not a date or time; write 2013-03-01 or 2013-03-01T17:30:00Z") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(spell_duration, return_type=str),
    Field(ge=timedelta(0)),
    WithJsonSchema({"type": "string", "format": "span", "pattern": _DURATION.pattern, "examples": ["90s", "28d"]}),
]
Moment = Annotated[datetime, BeforeValidator(_parse_moment)]
Figure = Annotated[float, Field(strict=True)]  # text and yes/no are refused, not converted
Share = Annotated[float, Field(strict=True, ge=0.0, le=1.0)]
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1)]
Flag = Annotated[bool, Field(strict=True)]
