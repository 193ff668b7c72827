"""From Cedar text to rules that may be put in force: parsed, complete, held to the schema; or every problem at once."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import cedarpy
from cedarpy.pst import Template

from windvane.cluster.errors import Invalid, Problem
from windvane.cluster.policies.cedar_entities import misfits
from windvane.cluster.policies.cedar_limits import rule_beyond_limits, schema_beyond_limits
from windvane.cluster.policies.policy import APPROVAL, EXPLANATION
from windvane.cluster.policies.policy_set import PolicySet, Rule

_WORDS = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\r\n]*|;|[^\s"/;]+|/', re.DOTALL)
_KNOWN = frozenset({"id", "owner", "review_by", "reason", "otherwise", "requires"})
_REQUIRABLE = (EXPLANATION, APPROVAL)  # what nobody provides would be silently left out


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy set that Cedar has parsed: handles to be reused for every request."""

    version: str
    policies: cedarpy.PolicySet
    schema: cedarpy.Schema
    rules: dict[str, Rule]  # by the id that Cedar's diagnostics use
    templates: tuple[Template, ...]  # the parsed rules, for whoever wants to know what they look at
    texts: dict[str, str]  # each rule's own text by its `@id`


def compile_policies(written: PolicySet) -> Compiled:
    """Take a policy set, or raise Invalid with everything that is wrong with it and where."""
    problems: list[Problem] = []
    schema = _schema(written, problems)
    rules: dict[str, Rule] = {}
    texts: list[str] = []
    templates: list[Template] = []
    for file, text in written.rules():
        for line, statement in statements(text):
            place = f"{file}:{line}"
            if (too_much := rule_beyond_limits(statement)) is not None:
                problems.append(Problem(place, too_much))
                continue
            try:
                template = _single(statement)
            except ValueError as error:
                problems.append(Problem(place, f"is not Cedar: {error}"))
                continue
            rule = _rule(template, file, line, problems)
            twin = next((other for other in rules.values() if other.id == rule.id), None)
            if rule.id and twin is not None:
                problems.append(Problem(place, f'@id("{rule.id}") is taken by {twin.place}; give each rule its own'))
            rules[f"policy{len(texts)}"] = rule
            texts.append(statement)
            templates.append(template)
    if not texts and not problems:
        problems.append(
            Problem(", ".join(written.files) or "the policy set", "holds no rule, and would deny everything")
        )
    if problems or schema is None:
        raise _refused(problems)
    whole = "\n".join(texts)
    policies = cedarpy.PolicySet.from_str(whole)
    for found in cedarpy.validate_policies(whole, schema).errors:
        offender = rules.get(found.policy_id)
        what = found.error.replace(f"for policy `{found.policy_id}`, ", "")
        problems.append(Problem(offender.place if offender else "the policy set", what))
    if problems:
        raise _refused(problems)
    own = {rule.id: text for rule, text in zip(rules.values(), texts, strict=True)}
    return Compiled(written.version, policies, schema, rules, tuple(templates), own)


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Each policy of a file with the line of its first word; what follows the last `;` counts if it is no comment.

    >>> list(statements('// all; of it\\npermit (principal, action, resource); @id("a;b")\\nforbid'))
    [(2, 'permit (principal, action, resource);'), (2, '@id("a;b")\\nforbid')]
    """
    start: int | None = None
    for word in _WORDS.finditer(text):
        if word.group().startswith("//"):
            continue
        start = word.start() if start is None else start
        if word.group() == ";":
            yield text.count("\n", 0, start) + 1, text[start : word.end()]
            start = None
    if start is not None:
        yield text.count("\n", 0, start) + 1, text[start:].rstrip()


def _single(statement: str) -> Template:
    """The one policy that a statement is; ValueError when it is none, several, or a template with open slots."""
    found = cedarpy.policies_to_pst(statement)
    if found.templates:
        raise ValueError("templates are not linked by anybody here; write the principal and the resource out")
    if len(found.static_policies) != 1:
        raise ValueError("one policy was expected up to the semicolon")
    return next(iter(found.static_policies.values()))


def _rule(template: Template, file: str, line: int, problems: list[Problem]) -> Rule:
    """Rule by a policy's annotations; one that is missing or wrong is a problem."""
    said, place = template.annotations, f"{file}:{line}"
    needed = ["id", "owner", "review_by", *(["reason"] if template.effect == "forbid" else [])]
    for name in needed:
        if not said.get(name, "").strip():
            problems.append(Problem(place, f'has no @{name}("…"), which every {template.effect} needs'))
    for name in said.keys() - _KNOWN:
        problems.append(Problem(place, f"@{name} means nothing here; known are {', '.join(sorted(_KNOWN))}"))
    if said.get("otherwise", "refer") != "refer":
        problems.append(Problem(place, f'@otherwise("{said["otherwise"]}"): the only other way is "refer"'))
    if said.get("requires", _REQUIRABLE[0]) not in _REQUIRABLE:
        problems.append(Problem(place, f'@requires("{said["requires"]}"): known are {", ".join(_REQUIRABLE)}'))
    for name, effect in (("otherwise", "forbid"), ("requires", "permit")):
        if name in said and template.effect != effect:
            problems.append(Problem(place, f"@{name} belongs to a {effect}; a {template.effect} has none"))
    try:
        review_by = date.fromisoformat(said.get("review_by", "") or "9999-12-31")
    except ValueError:
        problems.append(Problem(place, f'@review_by("{said["review_by"]}") is no date; write it as 2027-10-01'))
        review_by = date.max
    return Rule(
        said.get("id", ""),
        template.effect,
        said.get("owner", ""),
        review_by,
        said.get("reason", ""),
        said.get("otherwise", ""),
        said.get("requires", ""),
        file,
        line,
    )


def _schema(written: PolicySet, problems: list[Problem]) -> cedarpy.Schema | None:
    schemas = written.schemas()
    if len(schemas) != 1:
        found = ", ".join(name for name, _ in schemas) or "none"
        problems.append(Problem("the policy set", f"needs exactly one .cedarschema to be held to; there is {found}"))
        return None
    name, text = schemas[0]
    if (too_much := schema_beyond_limits(text)) is not None:
        problems.append(Problem(name, too_much))
        return None
    try:
        schema, wrong = _fitted(text)
    except ValueError as error:
        problems.append(Problem(name, f"is no Cedar schema: {error}"))
        return None
    problems += [Problem(name, f"does not fit what Windvane asks: {misfit}") for misfit in wrong]
    return schema


@lru_cache(maxsize=4)
def _fitted(text: str) -> tuple[cedarpy.Schema, tuple[str, ...]]:
    """The schema and its misfits; sets change, and hardly ever what they are held to."""
    schema = cedarpy.Schema.from_str(text)
    return schema, tuple(dict.fromkeys(misfits(schema)))


def _refused(problems: list[Problem]) -> Invalid:
    return Invalid("This policy set cannot be taken; what is in force stays in force", tuple(problems))
