"""Holds real replies against an OpenAPI document, stricter than it is: nothing may be sent that it does not name."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from tests.worlds.gateway.world import Reply

TRANSPORT = {"content-type", "content-length", "date", "server"}  # headers no operation has to name


class Conformity:
    """One document; `of` returns what is wrong with a reply, `asked` what is wrong with a request's body."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._components = {"components": _closed(document["components"])}

    def operation(self, method: str, path: str) -> Mapping[str, Any] | None:
        """Operation in the document; a path that is spelled out goes before one with parameters."""
        for template in sorted(self._document["paths"], key=lambda each: each.count("{")):
            if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
                return self._document["paths"][template].get(method.lower())
        return None

    def of(self, method: str, path: str, reply: Reply) -> list[str]:
        """Every departure of the reply from the document."""
        operation = self.operation(method, path)
        if operation is None:
            return [f"{method} {path} is not in the document"]
        promised = operation["responses"].get(str(reply.status))
        if promised is None:
            return [f"{method} {path} may not answer {reply.status}: {reply.body[:200]!r}"]
        promised = self._resolve(promised)
        wrong = list(_headers(promised.get("headers", {}), reply.headers))
        kind = reply.headers.get("content-type", "").partition(";")[0]
        if "content" not in promised:
            return wrong + ([f"has a body: {reply.body[:80]!r}"] if reply.body else [])
        if kind not in promised["content"]:
            return [*wrong, f"is {kind}, not {', '.join(promised['content'])}"]
        if kind.endswith("json"):
            wrong += self.against(promised["content"][kind]["schema"], json.loads(reply.body))
        return wrong

    def asked(self, method: str, path: str, body: Any) -> list[str]:
        """Every departure of a request's JSON from what the operation takes."""
        operation = self.operation(method, path)
        assert operation is not None, f"{method} {path} is not in the document"
        return self.against(operation["requestBody"]["content"]["application/json"]["schema"], body)

    def against(self, schema: Mapping[str, Any], body: Any) -> list[str]:
        """Every departure of JSON from a schema."""
        validator = Draft202012Validator({**self._components, "allOf": [_closed(schema)]})
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(body)]

    def _resolve(self, response: Mapping[str, Any]) -> Mapping[str, Any]:
        where = response.get("$ref")
        if where is None:
            return response
        found: Mapping[str, Any] = self._document["components"]["responses"][where.rpartition("/")[2]]
        return found


def _headers(promised: Mapping[str, Any], sent: Mapping[str, str]) -> Iterator[str]:
    names = {name.lower() for name in sent}
    for name, header in promised.items():
        if header.get("required") and name.lower() not in names:
            yield f"lacks the header {name}"
    for name in names - TRANSPORT - {name.lower() for name in promised}:
        yield f"has the header {name}, which nobody promised"


def _closed(schema: Any) -> Any:
    """The same with every object closed to members that it does not name."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        closed.setdefault("additionalProperties", False)
    return closed
