"""A policy set as written: its files, the hash that names it, and what each rule says of itself. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from windvane.cluster.errors import Invalid, Problem

RULES, SCHEMA = ".cedar", ".cedarschema"
VERSION = re.compile("[0-9a-f]{8,64}")  # a set's hash, or how it begins
_MOST_BYTES = 1_048_576  # of one file


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The files of one policy set by name: rules (`*.cedar`) and the one schema (`*.cedarschema`)."""

    files: Mapping[str, str]

    @property
    def version(self) -> str:
        """SHA-256 over every name and text, each with its length before it, so that no two sets share one.

        >>> PolicySet({"a.cedar": "b"}).version == PolicySet({"a.ceda": "rb"}).version
        False
        """
        digest = hashlib.sha256()
        for name in sorted(self.files):
            for part in (name.encode(), self.files[name].encode()):
                digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()

    def rules(self) -> tuple[tuple[str, str], ...]:
        """Name and text of every rule file, by name: the order in which they are judged never matters to Cedar."""
        return tuple((name, self.files[name]) for name in sorted(self.files) if name.endswith(RULES))

    def schemas(self) -> tuple[tuple[str, str], ...]:
        """Name and text of every schema; there has to be exactly one."""
        return tuple((name, self.files[name]) for name in sorted(self.files) if name.endswith(SCHEMA))


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy of a set, in the words of its annotations."""

    id: str
    effect: str  # permit or forbid
    owner: str  # who answers for it
    review_by: date  # when somebody must have looked at it again
    reason: str  # for the caller that it denies
    otherwise: str  # `refer` where a person may decide what it forbids, else empty
    requires: str  # what it brings with what it permits, such as `explanation`, else empty
    file: str
    line: int  # of its first word, from 1

    @property
    def place(self) -> str:
        """File and line, as editors take them."""
        return f"{self.file}:{self.line}"


def overdue(rules: Iterable[Rule], today: date) -> tuple[Rule, ...]:
    """The rules whose review should have been before `today`, longest overdue first."""
    return tuple(sorted((rule for rule in rules if rule.review_by < today), key=lambda rule: (rule.review_by, rule.id)))


def read_policies(folder: Path) -> PolicySet:
    """The policy set in a folder; raises Invalid naming every file that cannot be read as text."""
    files: dict[str, str] = {}
    problems: list[Problem] = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.suffix not in (RULES, SCHEMA):
            continue
        try:
            if file.stat().st_size > _MOST_BYTES:
                problems.append(Problem(str(file), f"has more than {_MOST_BYTES:,} bytes; split it"))
                continue
            files[file.name] = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            problems.append(Problem(str(file), f"is not UTF-8 (byte {error.start}); save it as UTF-8"))
        except OSError as error:
            problems.append(Problem(str(file), f"cannot be read: {error.strerror}"))
    if problems:
        raise Invalid(f"The policies in {folder} cannot be read", tuple(problems))
    if not files:
        raise Invalid(f"There are no policies in {folder}: write {RULES} files and one {SCHEMA} file there")
    return PolicySet(files)
