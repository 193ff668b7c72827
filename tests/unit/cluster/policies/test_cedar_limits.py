"""What Cedar's parser could not bear is refused with its place, and what may be it bears on the smallest stack."""

import subprocess
import sys

import pytest

from tests.worlds.policies import PACKAGED, SCHEMA, rule, written
from windvane.cluster.errors import Invalid
from windvane.cluster.policies.cedar_limits import (
    LONGEST_RULE,
    MOST_DEFINITIONS,
    MOST_NESTED,
    MOST_OPERATORS,
    rule_beyond_limits,
    schema_beyond_limits,
)
from windvane.cluster.policies.cedar_rules import compile_policies, statements

PERMIT = "permit (principal, action, resource)"
DEEP = {
    "parentheses": "({})",
    "sets": "[{}]",
    "records": "{{a: {}}}",
    "calls": "ip({})",
    "methods": "[1].contains({})",
}
LONG = {
    "and": "true && ",
    "or": "false || ",
    "plus": "1 + ",
    "times": "2 * ",
    "minus": "1 - ",
    "not": "!",
    "if": "if true then true else ",
    "equal": "1 == ",
}
BEHIND = {"attributes": ".a", "indices": '["a"]', "calls": ".b()"}


def when(condition: str) -> str:
    return f"{PERMIT} when {{ {condition} }}"


def nested(around: str, depth: int) -> str:
    """`around` within itself; the braces of `when` are one of the brackets."""
    head, tail = around.format("\0").split("\0")
    return when(head * (depth - 1) + "true" + tail * (depth - 1))


def problems(*rules: str, schema: str = SCHEMA) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        compile_policies(written(*rules, schema=schema))
    return [(problem.pointer, problem.detail) for problem in caught.value.problems]


@pytest.mark.parametrize("around", DEEP.values(), ids=DEEP)
def test_brackets_within_brackets_are_refused_before_cedar_reads_them(around: str) -> None:
    """800 of them ended control by SIGSEGV."""
    assert rule_beyond_limits(nested(around, MOST_NESTED - 1)) is None
    [(place, detail)] = problems("\n", rule(nested(around, 3000)))
    assert place == "all.cedar:2"
    assert detail.endswith(f"brackets within each other, and {MOST_NESTED} is the most: write it as several rules")


@pytest.mark.parametrize("part", LONG.values(), ids=LONG)
def test_long_chains_are_refused_before_cedar_reads_them(part: str) -> None:
    assert rule_beyond_limits(when(part * MOST_OPERATORS + "1")) is None
    [(_, detail)] = problems(rule(when(part * 2_500 + "1")))
    assert detail == f"has 2500 operators, and {MOST_OPERATORS} is the most: write it as several rules"


@pytest.mark.parametrize("part", BEHIND.values(), ids=BEHIND)
def test_long_paths_are_refused_before_cedar_reads_them(part: str) -> None:
    [(_, detail)] = problems(rule(when(f"context{part * 9_000}")))
    assert detail.startswith("has 9000 operators")


def test_a_longer_rule_is_refused_and_a_long_list_is_not() -> None:
    names = ", ".join(f'"name-{number}"' for number in range(4_000))
    assert rule_beyond_limits(when(f"[{names}].contains(principal.name)")) is None
    assert rule_beyond_limits(when("true" + " " * LONGEST_RULE)) == (
        "has 65,586 characters, and 65,536 is the most: write it as several rules"
    )


@pytest.mark.parametrize("unread", ['"{}"', '"\\"{}"', "// {}\n", "// {}\r"])
def test_what_stands_in_texts_and_comments_is_not_counted(unread: str) -> None:
    assert rule_beyond_limits(f"{PERMIT} {unread.format('((((.&&' * 100)}") is None


@pytest.mark.parametrize("before", ["// comment\r", '// "\n', '"//" == ', '"\\\\" == '])
def test_nothing_before_it_hides_what_cedar_reads(before: str) -> None:
    """A comment ends at a carriage return too; 800 parentheses behind one were taken for a part of it."""
    text = f"{PERMIT} when {{ {before}{'(' * 800}true{')' * 800} }};"
    assert [rule_beyond_limits(statement) is None for _, statement in statements(text)] == [False]


@pytest.mark.parametrize(
    "more",
    [
        f"type Deep = {'Set<' * 5_000}Long{'>' * 5_000};",
        f"type Deep = {'{a: ' * 5_000}Long{'}' * 5_000};",
        "".join(f'action "a{number}" in ["a{number + 1}"];' for number in range(20_000)) + 'action "a20000";',
    ],
)
def test_a_schema_that_cedar_could_not_bear_is_refused(more: str) -> None:
    [(place, detail)] = problems(rule(PERMIT), schema=SCHEMA + more)
    assert place == "windvane.cedarschema"
    assert "is the most" in detail


def test_the_packaged_set_is_far_from_every_limit() -> None:
    for _, text in PACKAGED.rules():
        for _, statement in statements(text):
            assert rule_beyond_limits(statement + "&& true" * (MOST_OPERATORS * 9 // 10)) is None
    assert schema_beyond_limits(SCHEMA + "entity More;" * (MOST_DEFINITIONS * 9 // 10)) is None


def test_what_may_be_is_borne_by_the_smallest_stack_of_a_thread() -> None:
    """Read in a process of its own, which would end: deep and long at once, in whichever order."""
    nests, chain = MOST_NESTED - 1, "true && " * MOST_OPERATORS
    texts = [nested(around, MOST_NESTED) for around in DEEP.values()]
    texts += [when(part * MOST_OPERATORS + "1") for part in LONG.values()]
    texts += [when("context" + part * MOST_OPERATORS) for part in BEHIND.values()]
    texts += [when(f"{'(' * nests}{chain}true{')' * nests}"), when(f"{chain}{'(' * nests}true{')' * nests}")]
    texts += [when("if true then true else " * MOST_OPERATORS + f"{'ip(' * nests}1{')' * nests}")]
    texts += [f"{PERMIT} {'when {true} ' * (LONGEST_RULE // 13)}"]
    entities = MOST_DEFINITIONS - SCHEMA.count("entity") - SCHEMA.count("action") - 2
    chained = (
        "".join(f'action "a{number}" in ["a{number + 1}"];' for number in range(entities)) + f'action "a{entities}";'
    )
    deep = f"type Deep = {'Set<' * MOST_NESTED}Long{'>' * MOST_NESTED};"
    sets = [written(rule(text)) for text in texts] + [written(rule(PERMIT), schema=SCHEMA + chained + deep)]
    assert all(rule_beyond_limits(rule(text)) is None for text in texts)
    assert schema_beyond_limits(SCHEMA + chained + deep) is None
    program = f"""
import contextlib, threading
from windvane.cluster.errors import Invalid
from windvane.cluster.policies.cedar_rules import compile_policies
from windvane.cluster.policies.policy_set import PolicySet
def read():
    for files in {[dict(each.files) for each in sets]!r}:
        with contextlib.suppress(Invalid):
            compile_policies(PolicySet(files))
    print("alive")
threading.stack_size(2 << 20)
thread = threading.Thread(target=read)
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
