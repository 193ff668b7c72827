"""A policy set is named by its content, read from a folder, and tells overdue reviews."""

from datetime import date
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.policies import PACKAGED, cedar, rule
from windvane.cluster.errors import Invalid
from windvane.cluster.policies.policy_set import PolicySet, overdue, read_policies

FILES = st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3)


@settings(max_examples=50, deadline=None)
@given(FILES, FILES)
def test_two_sets_share_a_version_only_when_they_are_the_same(one: dict[str, str], other: dict[str, str]) -> None:
    assert (PolicySet(one).version == PolicySet(other).version) == (one == other)


def test_a_set_is_the_same_after_the_store_kept_it() -> None:
    assert msgspec.json.decode(msgspec.json.encode(PACKAGED), type=PolicySet) == PACKAGED


def test_a_comment_that_changed_is_another_version() -> None:
    changed = {**PACKAGED.files, "act.cedar": PACKAGED.files["act.cedar"] + "// reviewed\n"}
    assert PolicySet(changed).version != PACKAGED.version


def test_a_folder_is_read_without_what_is_neither_rule_nor_schema(tmp_path: Path) -> None:
    for name, text in {
        "b.cedar": "b",
        "a.cedar": "a",
        "s.cedarschema": "s",
        "cases.yaml": "c",
        "README.md": "r",
    }.items():
        (tmp_path / name).write_text(text)
    read = read_policies(tmp_path)
    assert (read.rules(), read.schemas()) == ((("a.cedar", "a"), ("b.cedar", "b")), (("s.cedarschema", "s"),))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_bytes(b"permit\xff")
    with pytest.raises(Invalid) as caught:
        read_policies(tmp_path)
    [problem] = caught.value.problems
    assert (problem.pointer, problem.detail) == (str(tmp_path / "a.cedar"), "is not UTF-8 (byte 6); save it as UTF-8")


@pytest.mark.parametrize("folder", [".", "nowhere"])
def test_a_folder_without_policies_is_no_policy_set(tmp_path: Path, folder: str) -> None:
    with pytest.raises(Invalid, match="There are no policies in"):
        read_policies(tmp_path / folder)


def test_a_review_is_overdue_from_the_day_after_longest_first() -> None:
    permit = "permit (principal, action, resource)"
    days = {"late": "2026-11-01", "today": "2026-11-22", "later": "2026-10-01", "fine": "2027-01-01"}
    rules = cedar(*(rule(permit, id, review_by=day) for id, day in days.items())).rules
    assert [found.id for found in overdue(rules, date(2026, 11, 22))] == ["later", "late"]
