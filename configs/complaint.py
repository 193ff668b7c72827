"""Complaint about a declaration: the file, the field, the line, a sentence and the nearest valid name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from windvane.configs.document import Path


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing to change in one file; `path` is empty when the whole file is meant."""

    file: str
    path: str
    line: int | None
    what: str
    nearest: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        field = f"{self.path}: " if self.path else ""
        hint = f" (did you mean `{self.nearest}`?)" if self.nearest else ""
        return f"{place}: {field}{self.what}{hint}"


class BadDeclaration(Exception):
    """A declaration or a setting cannot be used; `complaints` says everything that is wrong at once."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("\n".join(str(complaint) for complaint in complaints))
        self.complaints = tuple(complaints)


@dataclass(frozen=True, slots=True)
class UnplacedComplaint:
    """A complaint that does not yet know its file and line."""

    path: Path
    what: str
    nearest: str | None = None


def spelled(path: Path) -> str:
    """The path as people write it.

    >>> spelled(("features", 3, "categories"))
    'features[3].categories'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def nearest(name: object, valid: Iterable[str]) -> str | None:
    """The valid name most like `name`, whatever the case of both, or None when none is alike.

    >>> nearest("catgory", ["number", "category"]), nearest("income", ["AGE", "INCOME"])
    ('category', 'INCOME')
    """
    folded = {each.casefold(): each for each in reversed(list(valid))}
    matches = get_close_matches(str(name).casefold(), list(folded), n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def faults(error: ValidationError, root: type[BaseModel], value: Mapping[str, Any]) -> list[UnplacedComplaint]:
    """Every fault pydantic found in `value`, one per field, in the words of the declaration."""
    found: dict[Path, UnplacedComplaint] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            continue  # an echo: long enough as written, its items have complaints of their own
        fault = _fault(detail, root, value)
        earlier = found.get(fault.path)
        if earlier and earlier.what != fault.what:  # alternatives of one union
            fault = UnplacedComplaint(fault.path, f"{earlier.what}, or {fault.what}", earlier.nearest or fault.nearest)
        found[fault.path] = fault
    return list(found.values())


def _fault(detail: Any, root: type[BaseModel], value: Mapping[str, Any]) -> UnplacedComplaint:
    kind, context = detail["type"], detail.get("ctx", {})
    path = _present(detail["loc"], value)
    if kind == "missing":
        return UnplacedComplaint((*path, detail["loc"][-1]), "is required and missing")
    if kind == "extra_forbidden":
        names = _fields_at(root, path[:-1])
        return UnplacedComplaint(path, f"unknown field; known here: {', '.join(names)}", nearest(path[-1], names))
    if kind == "literal_error":
        names = re.findall(r"'([^']*)'", context["expected"])
        return UnplacedComplaint(
            path, f"{_shown(detail['input'])} is none of {', '.join(names)}", nearest(detail["input"], names)
        )
    if kind == "declaration":
        return UnplacedComplaint((*path, *context["path"]), context["what"], context["nearest"])
    if kind == "value_error":
        return UnplacedComplaint(path, str(context["error"]))
    if kind == "string_type":
        return UnplacedComplaint(path, f"{_shown(detail['input'])} is not text; put it in quotes")
    if kind in ("float_type", "int_type", "int_from_float"):
        how = "a number; write it like 1000, 0.5 or 1e-5"
        if kind != "float_type":
            how = "written as a whole number; write it like 1000, without point or exponent"
        return UnplacedComplaint(
            path, f"{_shown(detail['input'])} is not {how}{', without quotes' * isinstance(detail['input'], str)}"
        )
    if kind in ("bool_type", "bool_parsing"):
        return UnplacedComplaint(path, f"{_shown(detail['input'])} is neither true nor false")
    text = detail["msg"].removeprefix("Input ").replace("should match pattern", "must match")
    return UnplacedComplaint(path, f"{_shown(detail['input'])} {text.replace('should', 'must')}")


def _present(location: Sequence[str | int], value: Any) -> Path:
    """The part of pydantic's location that exists in the value (union branches do not)."""
    path: list[str | int] = []
    for part in location:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            break
        path.append(part)
    return tuple(path)


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    """The names a mapping at `path` may have."""
    free = False  # whether the next part is a key of somebody's own choice
    for part in path:
        if free or isinstance(part, int):
            free = False
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = _model_in(annotation)
        if inner is None:
            return []
        free = get_origin(annotation) is Mapping
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner)) is not None), None)


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
