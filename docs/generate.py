"""Writes the reference in `docs/models.md`: types and limits from the schema, meanings from its comments."""

import ast
import inspect
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from windvane.configs import schema
from windvane.configs.draft import spell_value
from windvane.configs.schema import Declared, ModelSpec

PAGE = Path(__file__).with_name("models.md")
MARK = "<!-- From here on `make docs` writes, out of configs/schema.py: change it there. -->\n"


def page(written: str) -> str:
    """The page with its reference made anew; what stands above the mark is kept."""
    above, mark, _ = written.partition(MARK)
    if not mark:
        raise SystemExit(f"docs/models.md has lost the line that says where the reference begins:\n{MARK}")
    return above + MARK + "\n" + "\n".join(_reference())


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Meaning of each field: the comment behind its line, or on the line above it."""
    lines, _ = inspect.getsourcelines(model)
    body = ast.parse("".join(lines)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.end_lineno is not None:
            behind = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode().strip()
            above = lines[node.lineno - 2].strip()
            comment = behind if behind.startswith("#") else above if above.startswith("#") else ""
            found[node.target.id] = comment.lstrip("# ")
    return found


def _reference() -> list[str]:
    declared = ModelSpec.model_json_schema()
    classes = {name: value for name, value in vars(schema).items() if inspect.isclass(value)}
    lines = ["## Every field", "", str(ModelSpec.__doc__), "", *_table("", ModelSpec, declared)]
    for path, name in _sections(declared):
        model = classes[name]
        assert issubclass(model, Declared)
        lines += ["", f"### `{path}`", "", str(model.__doc__), "", *_table(path, model, declared["$defs"][name])]
    return [*lines, ""]


def _sections(declared: dict[str, Any], path: str = "", name: str = "") -> list[tuple[str, str]]:
    """Every nested record, in the order of the fields that hold them."""
    properties = declared["$defs"][name]["properties"] if name else declared["properties"]
    found: list[tuple[str, str]] = []
    for field, how in properties.items():
        reference = how.get("$ref") or how.get("items", {}).get("$ref")
        if reference:
            inner, kind = f"{path}.{field}".lstrip("."), reference.rsplit("/", 1)[1]
            inner += "[]" if "items" in how else ""
            found += [(inner, kind), *_sections(declared, inner, kind)]
    return found


def _table(path: str, model: type[BaseModel], declared: dict[str, Any]) -> list[str]:
    meaning, required = meanings(model), declared.get("required", [])
    lines = ["| field | takes | default | meaning |", "|---|---|---|---|"]
    for field, how in declared["properties"].items():
        default = "**required**" if field in required else _default(model, field)
        lines.append(f"| `{field}` | {_takes(how, f'{path}.{field}'.lstrip('.'))} | {default} | {meaning[field]} |")
    return lines


def _default(model: type[BaseModel], field: str) -> str:
    value = model.model_fields[field].get_default()
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, BaseModel):
        return "see below"
    dumped = model.model_construct(**{field: value}).model_dump(mode="json", include={field}, exclude_none=True)
    return f"`{spell_value(dumped[field])}`"


def _takes(how: dict[str, Any], path: str) -> str:
    """Values that may be written, in words."""
    if "anyOf" in how:
        return " or ".join(_takes(one, path) for one in how["anyOf"] if one.get("type") != "null")
    if "$ref" in how:
        return f"[mapping](#{path.replace('.', '').replace('[]', '')})"
    if "enum" in how or "const" in how:
        return ", ".join(f"`{value}`" for value in how.get("enum", [how.get("const")]))
    if how["type"] == "array" and "prefixItems" in how:
        return f"[{', '.join(_takes(one, path) for one in how['prefixItems'])}]"
    if how["type"] == "array":
        inner = how["items"]
        if "$ref" in inner:
            return f"[list of mappings](#{path.replace('.', '').replace('[]', '')})"
        return f"list of {_takes(inner, path)}"
    formats = {"span": "duration", "date-time": "date or time"}
    kinds = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    said = [f"{sign} {how[limit]:g}" for limit, sign in limits.items() if limit in how]
    if "pattern" in how and how.get("format") not in formats:
        said.append(f"`{how['pattern']}`")
    return ", ".join([formats.get(how.get("format", ""), kinds[how["type"]]), *said])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
