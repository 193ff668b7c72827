"""Settings from a made-up environment, models from made-up files, complaints word by word."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.worlds.settings import settings_for
from windvane.configs.complaint import BadDeclaration
from windvane.configs.load import load_model, model_names, validate_all, validate_file

GOOD = """\
name: churn
owner: team@example.org
unit: customer
target: {name: churned}
features:
  - {name: age, type: number, min: 18, max: 120}
  - {name: plan, type: category, categories: [basic, no]}
data: {source: data/churn.csv}
decision:
  actions:
    - {name: keep, at_least: 0.0}
    - {name: call, at_least: 0.5}
"""


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

TAG = "the tag of this value, tag:yaml.org,2002:"


def complaints(models: Path, text: str | bytes) -> list[str]:
    file = models / "churn.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return [str(complaint).removeprefix(f"{models}/") for complaint in validate_file(file)]


def test_a_good_model_has_no_complaints_and_finds_its_data_beside_its_yaml(models: Path) -> None:
    assert complaints(models, GOOD) == []
    spec = load_model("churn", settings_for(models))
    assert spec.feature("plan").categories == ("basic", "no")
    assert spec.data.source == f"{models}/data/churn.csv"


def test_words_that_yaml_once_took_for_booleans_are_text(models: Path) -> None:
    assert complaints(models, GOOD.replace("no]", "on, off, yes, NO]") + "retrain: {on: [drift]}\n") == []
    spec = load_model("churn", settings_for(models))
    assert spec.feature("plan").categories == ("basic", "on", "off", "yes", "NO")
    assert spec.retrain.on == ("drift",)


@pytest.mark.parametrize(
    ("written", "meant"), [("7e-05", 7e-05), ("1e-5", 1e-5), ("1E6", 1e6), ("2e+17", 2e17), (".5", 0.5), ("-3", -3.0)]
)
def test_numbers_are_read_as_people_write_them(models: Path, written: str, meant: float) -> None:
    assert complaints(models, GOOD.replace("min: 18, max: 120", f"usual: [-1e9, 1e18], max: {written}")) == []
    assert load_model("churn", settings_for(models)).feature("age").max == meant


@pytest.mark.parametrize("written", ["010", "1:30", "1_000", "0x1F", "1e", "50%", "1 000", "2024-01-01", "12:30:45"])
def test_what_can_be_read_two_ways_is_text_and_no_number(models: Path, written: str) -> None:
    assert complaints(models, GOOD.replace("max: 120", f"max: {written}")) == [
        f"churn.yaml:6: features[0].max: '{written}' is not a number; write it like 1000, 0.5 or 1e-5, without quotes"
    ]
    assert complaints(models, GOOD.replace("basic, no", f"basic, {written}")) == []
    assert load_model("churn", settings_for(models)).feature("plan").categories == ("basic", written)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("2024-03-01", "2024-03-01T00:00:00+00:00"), ("2024-03-01 17:30+01:00", "2024-03-01T17:30:00+01:00")],
)
def test_dates_are_read_where_a_date_belongs(models: Path, written: str, meant: str) -> None:
    assert complaints(models, GOOD + f"review_by: {written}\n") == []
    review_by = load_model("churn", settings_for(models)).review_by
    assert review_by is not None
    assert review_by.isoformat() == meant


@pytest.mark.parametrize("written", ["20240301", "1709251200", "2024-3-1", "soon", "17:30"])
def test_a_number_is_no_date(models: Path, written: str) -> None:
    [complaint] = complaints(models, GOOD + f"review_by: {written}\n")
    assert complaint.startswith("churn.yaml:13: review_by: ")
    assert complaint.endswith("write 2013-03-01 or 2013-03-01T17:30:00Z")


def test_an_unknown_model_is_answered_with_the_nearest(models: Path) -> None:
    complaints(models, GOOD)
    assert model_names(settings_for(models)) == ("churn",)
    with pytest.raises(BadDeclaration, match=r"no model 'chrun' here; there are: churn \(did you mean `churn`\?\)"):
        load_model("chrun", settings_for(models))


def test_a_misspelt_field_is_named_with_its_line_and_the_nearest_valid_name(models: Path) -> None:
    [complaint] = complaints(models, GOOD.replace("categories: [", "catgories: ["))
    assert complaint.startswith("churn.yaml:7: features[1].catgories: unknown field; known here: name, type,")
    assert complaint.endswith("(did you mean `categories`?)")


def test_a_misspelt_value_is_named_with_the_nearest_valid_one(models: Path) -> None:
    assert complaints(models, GOOD.replace("type: category", "type: categry")) == [
        "churn.yaml:7: features[1].type: 'categry' is none of number, integer, boolean, category "
        "(did you mean `category`?)"
    ]


def test_everything_wrong_is_said_at_once(models: Path) -> None:
    text = (
        GOOD.replace("owner: team@example.org\n", "").replace("0.5}", "1.5}").replace("name: churned", "nam: churned")
    )
    assert complaints(models, text) == [
        "churn.yaml:1: owner: is required and missing",
        "churn.yaml:3: target.name: is required and missing",
        "churn.yaml:3: target.nam: unknown field; known here: name, kind, description, positive (did you mean `name`?)",
        "churn.yaml:11: decision.actions[1].at_least: 1.5 must be less than or equal to 1",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("min: 18", "min: 130", "6: features[0].min: 130 is above max 120"),
        (
            "min: 18",
            "min: '18'",
            "6: features[0].min: '18' is not a number; write it like 1000, 0.5 or 1e-5, without quotes",
        ),
        ("min: 18", "min: .nan", "6: features[0].min: nan must be a finite number"),
        (
            "type: number, min: 18",
            "type: integer, min: 18.5",
            "6: features[0].min: 18.5 is not a whole number, as type integer needs",
        ),
        (
            "type: number, min: 18, max: 120",
            "type: category",
            "6: features[0].categories: a category needs `categories`, the values it can take",
        ),
        (
            "type: number, min: 18",
            "type: boolean, min: 0",
            "6: features[0].min: belongs to numbers, not to type boolean",
        ),
        ("min: 18", "usual: [90, 20]", "6: features[0].usual: begins above its end; write [20, 90]"),
        ("min: 18", "usual: [20, .inf]", "6: features[0].usual[1]: inf must be a finite number"),
        (
            "min: 18",
            "usual: [20, '90']",
            "6: features[0].usual[1]: '90' is not a number; write it like 1000, 0.5 or 1e-5, without quotes",
        ),
        (
            "min: 18",
            "min: 18, usual: [0, 9]",
            "6: features[0].usual: ends at 9, below min 18: every value accepted would be unusual",
        ),
        (
            "min: 18",
            "usual: [121, 130]",
            "6: features[0].usual: begins at 121, above max 120: every value accepted would be unusual",
        ),
        (
            "type: number, min: 18, max: 120",
            "type: boolean, usual: [0, 1]",
            "6: features[0].usual: belongs to numbers, not to type boolean",
        ),
        ("[basic, ", "[basic, basic, ", "7: features[1].categories: names a value twice"),
        ("no]", "true]", "7: features[1].categories[1]: True is not text; put it in quotes"),
        ("no]", "1]", "7: features[1].categories[1]: 1 is not text; put it in quotes"),
        ("no]", "no], missing: yes", "7: features[1].missing: 'yes' is neither true nor false"),
        ("name: plan", "name: Age", "7: features[1].name: another feature has this name"),
        (
            "{name: churned}",
            "{name: age}",
            "4: target.name: 'age' is also a feature, which would tell the model the answer",
        ),
        ("churn.csv}", "churn.csv, time: age}", "8: data.time: 'age' is also a feature; take it from one of the two"),
        ("data/churn.csv", "'python:flights'", "8: data.source: 'python:flights' is not python:module:function"),
        ("data/churn.csv", "'postgresql://x/y'", "8: data.query: a SQL URL needs `query`"),
        (
            "at_least: 0.0",
            "at_least: 0.1",
            "10: decision.actions: no action starts at 0.0, so low scores would have none",
        ),
        ("at_least: 0.0", "at_least: 0.5", "12: decision.actions[1].at_least: another action starts at 0.5"),
        ("name: call", "name: keep", "12: decision.actions[1].name: another action is named 'keep'"),
        (
            "unit: customer",
            "unit: customer\nmonitor: {window: 1 day}",
            "4: monitor.window: '1 day' is not a duration; write 90s, 5m, 12h, 28d or 4w",
        ),
        (
            "unit: customer",
            "unit: customer\nmonitor: {window: 90}",
            "4: monitor.window: 90 has no unit; write 90s, 5m, 12h, 28d or 4w",
        ),
        (
            "unit: customer",
            "unit: customer\nretrain: {cool_down: 99999999w}",
            "4: retrain.cool_down: '99999999w' is longer than 100 years",
        ),
        (
            "unit: customer",
            "unit: customer\ntraining: {trials: true}",
            "4: training.trials: True is not written as a whole number; write it like 1000, without point or exponent",
        ),
        (
            "unit: customer",
            "unit: customer\ntraining: {holdout: 4w}",
            "4: training.holdout: a span of time needs `data.time`; use `holdout_share` without one",
        ),
        (
            "unit: customer",
            "unit: customer\ntraining: {windows: [all, 8w]}",
            "4: training.windows[1]: a span of time needs `data.time`; use `all` without one",
        ),
        (
            "unit: customer",
            "unit: customer\nrollout: {steps: [{weight: 0.5}]}",
            "4: rollout.steps[0].weight: must be 1.0 in the last step",
        ),
        (
            "unit: customer",
            "unit: customer\nserving: {min_replicas: 4}",
            "4: serving.min_replicas: 4 is above max_replicas 2",
        ),
        (
            "name: churn\n",
            "name: chrun\n",
            "1: name: 'chrun' is not the file's name; rename one to the other (did you mean `churn`?)",
        ),
        ("unit: customer", "unit: 7", "3: unit: 7 is not text; put it in quotes"),
        ("unit: customer", "unit:", "3: unit: nothing is not text; put it in quotes"),
    ],
)
def test_a_wrong_value_is_refused_in_words(models: Path, old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) == 1
    assert complaints(models, GOOD.replace(old, new)) == [f"churn.yaml:{expected}"]


def test_alternatives_of_a_window_are_told_in_one_complaint(models: Path) -> None:
    [complaint] = complaints(models, GOOD + "training: {windows: [al]}\n")
    assert complaint == (
        "churn.yaml:13: training.windows[0]: 'al' is none of all, or 'al' is not a duration; "
        "write 90s, 5m, 12h, 28d or 4w (did you mean `all`?)"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD + "unit: other\n", "churn.yaml:13: unit: `unit` stands here twice; keep one"),
        ("- a\n- b\n", "churn.yaml: is not a YAML mapping; write `field: value` lines, starting with `name:`"),
        ("", "churn.yaml: is not a YAML mapping; write `field: value` lines, starting with `name:`"),
        ("a: b: c\n", "churn.yaml:1: is not valid YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2\n", "churn.yaml:2: is not valid YAML: but found another document"),
        ("1: x\n", "churn.yaml:1: the key `1` is not text; put it in quotes"),
        (b"name: caf\xe9\n", "churn.yaml: is not UTF-8 (byte 9); save it as UTF-8"),
        (b"name: a\x00b\n", "churn.yaml: is not valid YAML: unacceptable character #x0000"),
        (
            "a: !!python/name:os.system ''\n",
            f"churn.yaml:1: a: {TAG}python/name:os.system, cannot be used; leave it out",
        ),
        ("a: " + "[" * 10_000 + "]" * 10_000, "churn.yaml:1: nests deeper than 32 levels"),
        ("a: &x [*x]\n", "churn.yaml:1: has an alias inside its own anchor"),
        (BOMB, "churn.yaml:5: expands to more than 50,000 values"),
        (
            "a: " + "9" * 5000,
            "churn.yaml: is not valid YAML: Exceeds the limit (4300 digits) for integer string conversion",
        ),
        ("# " + "x" * 262_144, "churn.yaml: is 262,146 bytes; a declaration has at most 262,144"),
        ("a: !!timestamp 2013-99-99\n", f"churn.yaml:1: a: {TAG}timestamp, cannot be used; leave it out"),
        ("a: !!int 010\n", f"churn.yaml:1: a: {TAG}int, cannot be used; leave it out"),
        (
            "a: 9007199254740993\n",
            "churn.yaml:1: a: 9007199254740993 cannot be kept exactly (it is beyond 2^53); write 9007199254740992",
        ),
        ("a: " + "9" * 400, f"churn.yaml:1: a: {'9' * 400} cannot be kept exactly (it is beyond 2^53); write inf"),
    ],
    ids=lambda value: None if isinstance(value, str) and len(value) > 99 else "",
)
def test_a_file_that_is_no_declaration_is_refused_in_a_sentence(models: Path, text: str | bytes, expected: str) -> None:
    assert complaints(models, text) == [expected]


def test_a_missing_file_is_a_sentence(models: Path) -> None:
    assert [str(c) for c in validate_file(models / "none.yaml")] == [f"{models}/none.yaml: does not exist"]
    assert [c.what for c in validate_file(models)] == ["cannot be read: Is a directory"]


def test_the_overlay_is_laid_over_field_by_field_and_lists_are_replaced(models: Path) -> None:
    complaints(models, GOOD + "rollout: {min_outcomes: 50, bake: 1h}\n")
    overlay = models.parent / "overlays" / "quick"
    overlay.mkdir(parents=True)
    (overlay / "churn.yaml").write_text("rollout: {bake: 5s, steps: [{weight: 1.0, min_duration: 3s}]}\n")
    plan = load_model("churn", settings_for(models, WINDVANE_OVERLAY="quick")).rollout
    assert (plan.min_outcomes, plan.bake, len(plan.steps)) == (50, timedelta(seconds=5), 1)
    assert load_model("churn", settings_for(models)).rollout.bake == timedelta(hours=1)


def test_a_fault_of_the_overlay_is_blamed_on_the_overlay(models: Path) -> None:
    complaints(models, GOOD)
    overlay = models.parent / "overlays" / "quick"
    overlay.mkdir(parents=True)
    (overlay / "churn.yaml").write_text("rollout:\n  bakes: 5s\n")
    [complaint] = validate_all(settings_for(models, WINDVANE_OVERLAY="quick"))
    assert (complaint.file, complaint.line, complaint.path) == (f"{overlay}/churn.yaml", 2, "rollout.bakes")
    assert complaint.nearest == "bake"


def test_an_overlay_nobody_wrote_is_refused_with_the_nearest(models: Path) -> None:
    complaints(models, GOOD)
    (models.parent / "overlays" / "quick").mkdir(parents=True)
    with pytest.raises(BadDeclaration, match=r"no overlay 'qick'; there are: .*quick.*did you mean `quick`"):
        load_model("churn", settings_for(models, WINDVANE_OVERLAY="qick"))
