"""What a record of the log can hold of a row: one value of any kind."""

from typing import TypeAlias

Value: TypeAlias = float | int | bool | str | None
