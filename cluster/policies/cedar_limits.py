"""Limits of a rule and of a schema, counted before Cedar reads them: its parser recurses, and ends the process. Pure.

A parser that runs out of stack raises nothing that could be caught. It goes a level deeper for every bracket that is
open and for every operator of a chain, so both together are held to what a stack of 2 MiB bears, the smallest that
Linux gives a thread.
"""

import re

MOST_NESTED = 40  # brackets that are open at once
MOST_OPERATORS = 200  # of a rule: what joins two expressions, and every attribute, call, index, set and condition
LONGEST_RULE = 65_536  # characters
MOST_DEFINITIONS = 500  # of a schema: each may lean on another
_UNREAD = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\r\n]*', re.DOTALL)  # texts and comments, as Cedar reads them
_OPERATOR = re.compile(r"\b(?:if|has|in|is|like)\b|&&|\|\||[=!<>]=|[-<>+*.!?\[]")
_DEFINITION = re.compile(r"\b(?:namespace|entity|action|type)\b")


def rule_beyond_limits(rule: str) -> str | None:
    """What is too much of a rule's text, and what to do about it; None where nothing is.

    >>> rule_beyond_limits("permit (principal, action, resource) when { " + "true && " * 201 + "true };")
    'has 201 operators, and 200 is the most: write it as several rules'
    """
    if len(rule) > LONGEST_RULE:
        return f"has {len(rule):,} characters, and {LONGEST_RULE:,} is the most: write it as several rules"
    read = _UNREAD.sub(" ", rule)
    if (deepest := _deepest(read, "([{", ")]}")) > MOST_NESTED:
        return f"has {deepest} brackets within each other, and {MOST_NESTED} is the most: write it as several rules"
    if (operators := len(_OPERATOR.findall(read))) > MOST_OPERATORS:
        return f"has {operators} operators, and {MOST_OPERATORS} is the most: write it as several rules"
    return None


def schema_beyond_limits(schema: str) -> str | None:
    """The same of a schema's text.

    >>> schema_beyond_limits("type Deep = " + "Set<" * 41 + "Long" + ">" * 41 + ";")
    'has 41 brackets within each other, and 40 is the most: name the inner types'
    """
    read = _UNREAD.sub(" ", schema)
    if (deepest := _deepest(read, "([{<", ")]}>")) > MOST_NESTED:
        return f"has {deepest} brackets within each other, and {MOST_NESTED} is the most: name the inner types"
    if (definitions := len(_DEFINITION.findall(read))) > MOST_DEFINITIONS:
        return f"has {definitions} definitions, and {MOST_DEFINITIONS} is the most: leave out what no rule looks at"
    return None


def _deepest(text: str, opening: str, closing: str) -> int:
    """The most brackets that are open at once; one that closes nothing counts for nothing."""
    depth = deepest = 0
    for character in text:
        if character in opening:
            depth += 1
            deepest = max(deepest, depth)
        elif character in closing:
            depth = max(0, depth - 1)
    return deepest
