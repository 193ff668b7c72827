"""The OpenAPI document as a page for people: plain HTML without a script, so that nothing is loaded from elsewhere."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]


def page(document: Json) -> str:
    """Every operation under its tag, then every schema; names and texts come out as they were written."""
    title, about = escape(document["info"]["title"]), escape(document["info"]["description"])
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
        f'<link rel="stylesheet" href="console/console.css"><main><h1>{title}</h1><p>{about}</p>',
        '<p>The same for programs: <a href="openapi.json">openapi.json</a></p>',
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>")
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    parts += _operation(document, path, method, operation)
    parts.append("<h2>Schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        parts.append(f'<section id="{escape(name)}"><h4>{escape(name)}</h4>{_shown(schema)}</section>')
    return "\n".join([*parts, "</main></html>\n"])


def _operation(document: Json, path: str, method: str, operation: Json) -> Iterator[str]:
    roles = [role for scheme in operation.get("security", ()) for each in scheme.values() for role in each]
    who = f" · for {' or '.join(dict.fromkeys(roles))}" if roles else " · for anybody"
    yield f"<section><h4>{escape(method.upper())} {escape(path)}</h4>"
    yield f"<p>{escape(operation['summary'])}. {escape(operation.get('description', ''))}{who}</p><ul>"
    for parameter in operation.get("parameters", ()):
        found = _resolved(document, parameter)
        meaning = f": {escape(found['description'])}" if "description" in found else ""
        yield f"<li><code>{escape(found['name'])}</code> ({escape(found['in'])}){meaning}</li>"
    yield "</ul>"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Takes {escape(kind)}: {_named(content['schema'])}</p>"
        for name, example in content.get("examples", {}).items():
            yield f"<details><summary>{escape(name)}</summary>{_shown(example['value'])}</details>"
    yield "<table>"
    for status, response in sorted(operation["responses"].items()):
        found = _resolved(document, response)
        kinds = ", ".join(
            f"{escape(kind)}: {_named(content.get('schema', {}))}" for kind, content in found.get("content", {}).items()
        )
        yield f"<tr><td>{escape(status)}</td><td>{escape(found['description'])}</td><td>{kinds}</td></tr>"
    yield "</table></section>"


def _resolved(document: Json, tree: Json) -> Json:
    """The schema that a reference into the components stands for."""
    for step in tree.get("$ref", "").removeprefix("#/").split("/") if "$ref" in tree else ():
        document = document[step]
    return document if "$ref" in tree else tree


def _named(schema: Json) -> str:
    """Links to the schemas that are meant, or the schema itself."""
    names = [each["$ref"].rpartition("/")[2] for each in schema.get("anyOf", [schema]) if "$ref" in each]
    if not names:
        return f"<code>{escape(json.dumps(schema))}</code>"
    return " or ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in names)


def _shown(tree: Any) -> str:
    return f"<pre>{escape(json.dumps(tree, indent=1, ensure_ascii=False))}</pre>"
