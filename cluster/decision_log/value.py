"""Values of any kind that a record of the log can hold of a row."""

from typing import TypeAlias

Value: TypeAlias = float | int | bool | str | None
