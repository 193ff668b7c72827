"""One YAML file as read: its plain value, and the line each field stands on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any, TypeAlias

import yaml

Path: TypeAlias = tuple[str | int, ...]  # ("features", 3, "categories")

EXACT = 2**53  # up to here every whole number has a float64 of its own
MAX_BYTES = 262_144
MAX_DEPTH = 32
MAX_NODES = 50_000  # after aliases are expanded


class _Loader(yaml.SafeLoader):
    """Safe tags, and only what nobody reads two ways is anything but text.

    Booleans are true and false. Numbers are decimal, with a point or an exponent where wanted (`1e-5`), and without a
    leading zero. So `no`, `on`, `010` (8 or 10?), `1_000`, `0x1F`, `1:30` (90 in YAML 1.1) and dates stay text, which
    fields of text take as it stands, and fields of numbers refuse.
    """


_PLAIN = {
    "bool": ("^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    "null": ("^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "int": ("^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    "float": (
        r"^(?:[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+0123456789.",
    ),
    "merge": ("^<<$", "<"),
}
_Loader.yaml_implicit_resolvers = {}
for _tag, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
_QUICK = getattr(yaml, "CSafeLoader", _Loader)  # the same events, by libyaml where PyYAML was built with it


class Unreadable(Exception):
    """The file cannot be read as one YAML mapping; `line` counts from 1 where it is known."""

    def __init__(self, what: str, path: Path = (), line: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.path = path
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """The mapping a file holds; `lines` gives every field's line, counted from 1."""

    value: Mapping[str, Any]
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int | None:
        """The line of the field, or of the nearest field above it that is written in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def holds(self, path: Path) -> bool:
        """Whether the file itself says something at this path."""
        return path in self.lines


def read(file: FilePath) -> Document:
    """Read one file; raises Unreadable with a sentence that says what to do."""
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise Unreadable(f"is {size:,} bytes; a declaration has at most {MAX_BYTES:,}")
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except FileNotFoundError as error:
        raise Unreadable("does not exist") from error
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    return parse(text)


def parse(text: str) -> Document:
    """Parse YAML text: safe tags only, no key twice, no endless nesting, no exploding aliases.

    >>> document = parse("name: a\\nfeatures:\\n  - name: x\\n")
    >>> document.value["features"][0]["name"], document.line(("features", 0, "name"))
    ('x', 3)
    """
    try:
        _refuse_deep(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise Unreadable("is not a YAML mapping; write `field: value` lines, starting with `name:`")
        _refuse_bomb(node)
        lines: dict[Path, int] = {(): node.start_mark.line + 1}
        _walk(node, (), lines)
        value = loader.construct_document(node)
    except RecursionError as error:
        raise Unreadable("nests too deep to be read") from error
    except yaml.MarkedYAMLError as error:
        line = _line(error.problem_mark or error.context_mark)
        raise Unreadable(f"is not valid YAML: {error.problem or error.context}", (), line) from error
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(f"is not valid YAML: {str(error).splitlines()[0].split(':')[0]}") from error
    return Document(value, lines)


def merge(base: Any, overlay: Any) -> Any:
    """Lay `overlay` over `base`: mappings merge field by field, everything else (lists too) is replaced.

    >>> merge({"a": {"x": 1, "y": [1, 2]}, "b": 2}, {"a": {"y": [3]}})
    {'a': {'x': 1, 'y': [3]}, 'b': 2}
    """
    if isinstance(base, Mapping) and isinstance(overlay, Mapping):
        merged = dict(base)
        for key, value in overlay.items():
            merged[key] = merge(base[key], value) if key in base else value
        return merged
    return overlay


def _refuse_misread(node: yaml.ScalarNode, path: Path) -> None:
    """A tag such as `!!int` would read `010` as 8 after all, and a huge whole number would become its neighbour."""
    kind, line = node.tag.removeprefix("tag:yaml.org,2002:"), node.start_mark.line + 1
    if kind != "str" and (kind not in _PLAIN or re.match(_PLAIN[kind][0], node.value) is None):
        raise Unreadable(f"the tag of this value, {node.tag}, cannot be used; leave it out", path, line)
    if (
        kind == "int"
        and abs(int(node.value)) > EXACT
        and Decimal(near := f"{float(node.value):.17g}") != int(node.value)
    ):
        raise Unreadable(f"{node.value} cannot be kept exactly (it is beyond 2^53); write {near}", path, line)


def _line(mark: Any) -> int | None:
    return mark.line + 1 if mark else None


def _refuse_deep(text: str) -> None:
    """Composing recurses, so depth is counted on the event stream first."""
    try:
        _count_depth(text, _QUICK)
    except yaml.YAMLError:
        _count_depth(text, _Loader)  # says what is wrong in the words that composing has for it


def _count_depth(text: str, loader: Any) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise Unreadable(f"nests deeper than {MAX_DEPTH} levels", (), _line(event.start_mark))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _refuse_bomb(root: yaml.Node) -> None:
    """Count nodes as if every alias were written out; an alias inside its own anchor never ends."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in open_nodes:
            raise Unreadable("has an alias inside its own anchor", (), node.start_mark.line + 1)
        if id(node) not in sizes:
            open_nodes.add(id(node))
            sizes[id(node)] = 1 + sum(size(child) for child in _children(node))
            open_nodes.discard(id(node))
        if sizes[id(node)] > MAX_NODES:
            raise Unreadable(f"expands to more than {MAX_NODES:,} values", (), node.start_mark.line + 1)
        return sizes[id(node)]

    size(root)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int]) -> None:
    """Note every field's line and refuse a key that is not text or stands twice."""
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            lines[(*path, position)] = item.start_mark.line + 1
            _walk(item, (*path, position), lines)
    if isinstance(node, yaml.ScalarNode):
        _refuse_misread(node, path)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.tag != "tag:yaml.org,2002:str":
            name = key.value if isinstance(key, yaml.ScalarNode) else "…"
            raise Unreadable(f"the key `{name}` is not text; put it in quotes", path, line)
        if key.value in seen:
            raise Unreadable(f"`{key.value}` stands here twice; keep one", (*path, key.value), line)
        seen.add(key.value)
        lines[(*path, key.value)] = line
        _walk(value, (*path, key.value), lines)
