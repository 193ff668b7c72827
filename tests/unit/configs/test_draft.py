"""Declarations drafted from files that people really have; each must pass its own validation."""

import csv
import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from windvane.configs.complaint import BadDeclaration
from windvane.configs.document import parse
from windvane.configs.draft import draft
from windvane.configs.load import validate_file
from windvane.configs.schema import ModelSpec

ROWS = 400


def write(file: Path, columns: dict[str, Sequence[object]]) -> Path:
    with open(file, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return file


def plain(seed: int = 1) -> list[float]:
    """A column of numbers that tells nothing and counts nothing."""
    chance = random.Random(seed)
    return [round(chance.gauss(50, 20), 3) for _ in range(ROWS)]


def customers() -> dict[str, Sequence[object]]:
    chance = random.Random(3)
    return {
        "customer_id": [f"C{10_000 + number}" for number in range(ROWS)],
        "signed_up_at": [f"2024-{1 + number % 12:02}-{1 + number % 28:02}T10:00:00" for number in range(ROWS)],
        "age": [chance.randint(18, 90) for _ in range(ROWS)],
        "balance": [round(chance.gauss(50, 900), 2) for _ in range(ROWS)],
        "share": [chance.random() for _ in range(ROWS)],
        "plan": [chance.choice(["basic", "gold", "no", "a, b: c"]) for _ in range(ROWS)],
        "region": [chance.choice(["north", "south", ""]) for _ in range(ROWS)],
        "visits": [chance.choice([1, 2, 3, ""]) for _ in range(ROWS)],
        "active": [chance.choice(["true", "false"]) for _ in range(ROWS)],
        "email": [f"p{number}@example.org" for number in range(ROWS)],
        "gender": [chance.choice("fmx") for _ in range(ROWS)],
        "nothing": [""] * ROWS,
        "country": ["NL"] * ROWS,
        "churned": [chance.choice(["yes", "no", "no", "no"]) for _ in range(ROWS)],
    }


def drafted(tmp_path: Path, columns: dict[str, Sequence[object]], target: str) -> tuple[str, ModelSpec]:
    text = draft("churn", write(tmp_path / "rows.csv", columns), target).text
    (tmp_path / "churn.yaml").write_text(text)
    assert validate_file(tmp_path / "churn.yaml") == []
    return text, ModelSpec.model_validate(parse(text).value)


def test_types_ranges_and_categories_are_those_of_the_columns(tmp_path: Path) -> None:
    _, spec = drafted(tmp_path, customers(), "churned")
    types = {feature.name: feature.type for feature in spec.features}
    assert types == {
        "age": "integer", "balance": "number", "share": "number", "plan": "category", "region": "category",
        "visits": "integer", "active": "boolean",
    }  # fmt: skip
    age, share, plan = spec.feature("age"), spec.feature("share"), spec.feature("plan")
    assert (age.usual, age.min, age.max) == ((10, 98), None, None)
    assert share.usual == (0, 1)
    assert set(plan.categories) == {"basic", "gold", "no", "a, b: c"}
    assert {feature.name for feature in spec.features if feature.missing} == {"region", "visits"}
    assert spec.data.source == f"{tmp_path}/rows.csv"


def test_time_and_subject_are_proposed_and_are_no_features(tmp_path: Path) -> None:
    _, spec = drafted(tmp_path, customers(), "churned")
    assert (spec.data.time, spec.data.subject, spec.unit) == ("signed_up_at", "customer_id", "customer")


def test_what_looks_personal_is_flagged_and_marked(tmp_path: Path) -> None:
    text, spec = drafted(tmp_path, customers(), "churned")
    assert [feature.name for feature in spec.features if feature.personal] == ["age"]
    assert "personal: true} # check: looks personal" in text
    assert (
        "#   email: is different in nearly every row (400 values): a name, a note or an identifier, and looks" in text
    )


def test_what_cannot_be_learnt_from_is_listed_with_its_reason(tmp_path: Path) -> None:
    text, _ = drafted(tmp_path, customers(), "churned")
    assert "#   nothing: is empty in every row" in text
    assert "#   country: has the same value in every row" in text


def test_the_actions_come_from_the_base_rate(tmp_path: Path) -> None:
    labels = [1, 0, 0, 0, 0] * 80
    text, spec = drafted(tmp_path, {"x": plain(), "y": labels}, "y")
    assert [(a.name, a.at_least, a.cost_if_true, a.cost_if_false) for a in spec.decision.actions] == [
        ("none", 0.0, 4.0, 0.0),
        ("act", 0.2, 0.0, 1.0),
    ]
    assert "name: y" not in text or "# true in 20.0% of rows" in text


def test_every_default_is_shown_and_uncommenting_it_changes_nothing(tmp_path: Path) -> None:
    text, spec = drafted(tmp_path, customers(), "churned")
    above, below = text.split("# Everything below is the default: uncomment what you change.\n")
    uncommented = above + "\n".join(line.removeprefix("# ") for line in below.splitlines())
    assert ModelSpec.model_validate(parse(uncommented).value) == spec


@pytest.mark.parametrize(
    ("values", "positive", "share"),
    [
        ([1, 0, 0, 0], None, "25.0%"),
        (["1.0", "0.0", "0.0", ""], None, "33.3%"),
        (["yes", "no", "no", "no"], None, "25.0%"),
        (["TRUE", "FALSE", "FALSE", "FALSE"], None, "25.0%"),
        (["Y", "N", "N", "N"], None, "25.0%"),
        (["0", "1", "true", "FALSE"], None, "50.0%"),
        (["n/a ", "1", "0", "0"], None, "33.3%"),
        (["good", "good", "good", "bad"], "bad", "25.0%"),
        (["alive", "dead", "alive", "alive"], "dead", "25.0%"),
        ([2, 1, 1, 1], "2", "25.0%"),
        (["no: way", "sure", "sure", "sure"], "no: way", "25.0%"),
    ],
)
def test_two_values_of_any_kind_make_a_target(
    tmp_path: Path, values: list[object], positive: str | None, share: str
) -> None:
    text, spec = drafted(tmp_path, {"x": plain(), "outcome": values * 100}, "outcome")
    assert spec.target.positive == positive
    assert f"# true in {share} of rows" in text


@pytest.mark.parametrize(
    ("content", "target", "sentence"),
    [
        ("", "y", "is empty"),
        ("a,y\n", "y", "has a header and no rows"),
        ("a,yes\n1,0\n2,1\n", "yess", r"has no column 'yess'; it has: 'a', 'yes' \(did you mean `yes`\?\)"),
        ("a~y\n1~0\n", "y", "has no column 'y'; it has: 'a~y'; columns are parted by commas, semicolons, tabs or bars"),
        ("a,y,y\n1,0,1\n", "y", "has more than one column 'y'"),
        ("a,y\n1,0\n2,1\n3,2\n", "y", r"has 3 different values in 'y' \('0', '1', '2'\); a target has two"),
        ("a,y\n1,0\n2,0\n", "y", r"has one value in 'y' \('0'\); a target has two"),
        ("a,y\n1,\n2,\n", "y", "has no value in 'y'"),
        ("a,y\n1,0\n1,1\n", "y", "has no column besides 'y' that could be a feature"),
        ("a,y\n1,0,7\n1,1\n", "y", "line 2 has 3 cells where the header has 2"),
        (b"a,y\ncaf\xe9,0\nx,1\n", "y", "line 2 is not UTF-8; save it as UTF-8"),
        (b"caf\xe9,y\n1,0\n2,1\n", "y", "not UTF-8"),
    ],
)
def test_a_file_nothing_can_be_drafted_from_is_a_sentence(
    tmp_path: Path, content: str | bytes, target: str, sentence: str
) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BadDeclaration, match=sentence):
        draft("churn", file, target)


def test_a_file_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_text("x")
    (tmp_path / "rows.parquet").write_text("x")
    for name, sentence in {
        "none.csv": "no such file, folder or match",
        ".": r"rows\.xlsx: is an Excel workbook; save it as CSV UTF-8",
        "rows.xlsx": "is an Excel workbook",
        "rows.parquet": "is not Parquet, whatever its name says",
    }.items():
        with pytest.raises(BadDeclaration, match=sentence):
            draft("churn", tmp_path / name, "y")
    with pytest.raises(BadDeclaration, match="'Churn!' cannot name a model"):
        draft("Churn!", tmp_path / "rows.csv", "y")


def test_odd_headers_are_declared_where_they_can_be_and_named_where_not(tmp_path: Path) -> None:
    values = plain()
    chance = random.Random(5)
    columns: dict[str, Sequence[object]] = {
        "größe (cm)": values, "2nd price": values, "yes": values, "null": values, "a/b": values, 'say "hi"': values,
        "": values, "Twice": values, "twice": values, "label": values, "line\nbreak": values,
        "日本": [chance.choice(["東京", "大阪", "#x", "- y", "null", "1e3", " lead"]) for _ in values],
        "y": [0, 1] * (ROWS // 2),
    }  # fmt: skip
    text, spec = drafted(tmp_path, columns, "y")
    assert [feature.name for feature in spec.features] == ["größe (cm)", "2nd price", "yes", "null", "日本"]
    assert set(spec.feature("日本").categories) == {"東京", "大阪", "#x", "- y", "1e3", " lead"}
    for left_out in (
        "a/b: has a name",
        'say "hi": has a name',
        "(no name): has no name",
        "Twice: stands in",
        "label: has",
    ):
        assert f"#   {left_out}" in text
    assert "#   line break: has a name" in text


def test_a_second_copy_of_the_target_is_left_out(tmp_path: Path) -> None:
    labels = [0, 1] * (ROWS // 2)
    text, spec = drafted(
        tmp_path, {"x": plain(), "status": ["open" if y else "shut" for y in labels], "y": labels}, "y"
    )
    assert [feature.name for feature in spec.features] == ["x"]
    assert "#   status: tells 'y' outright" in text


def test_of_many_values_the_commonest_fifty_are_kept(tmp_path: Path) -> None:
    chance = random.Random(8)
    towns = [f"t{min(int(chance.expovariate(0.08)), 70)}" for _ in range(ROWS)]
    text, spec = drafted(tmp_path, {"town": towns, "y": [0, 1] * (ROWS // 2)}, "y")
    assert len(spec.feature("town").categories) == 50
    assert "# check: the 50 commonest of" in text


def test_parquet_with_types_of_its_own_is_read_whole(tmp_path: Path) -> None:
    table = pa.table(
        {
            "when": pa.array([1_700_000_000 + 60 * n for n in range(ROWS)], pa.timestamp("s", "UTC")),
            "day": pa.array([n % 9 for n in range(ROWS)], pa.date32()),
            "kind": pa.array(["a", "b", "b", "a"] * (ROWS // 4)).dictionary_encode(),
            "price": pa.array([None, 2.5, float("nan"), 4.25, 3.0] * (ROWS // 5)),
            "amount": pa.array([1, 2, 3, 4] * (ROWS // 4), pa.int16()).cast(pa.decimal128(8, 2)),
            "tags": pa.array([["x"]] * ROWS),
            "endless": pa.array([1.0, float("inf")] * (ROWS // 2)),
            "hit": pa.array([True, False, None, False] * (ROWS // 4)),
        }
    )
    pa.parquet.write_table(table, tmp_path / "rows.parquet")
    text = draft("hits", tmp_path / "rows.parquet", "hit").text
    spec = ModelSpec.model_validate(parse(text).value)
    assert {feature.name: feature.type for feature in spec.features} == {
        "kind": "category", "price": "number", "amount": "number",
    }  # fmt: skip
    assert spec.feature("price").missing
    assert spec.feature("price").usual == (2.32, 4.43)
    assert spec.data.time == "when"
    assert "#   tags: holds list<" in text
    assert "#   endless: holds infinite" in text
    assert "#   day: is a moment" in text


def test_columns_that_count_leak_or_protect_are_named_and_told(tmp_path: Path) -> None:
    chance = random.Random(2)
    y = [int(chance.random() < 0.5) for _ in range(ROWS)]
    columns: dict[str, Sequence[object]] = {
        "rownames": range(500, 500 + ROWS),
        "x": plain(),
        "race": [chance.choice(["a", "b"]) for _ in y],
        "sex": [chance.choice([1, 2]) for _ in y],
        "zip": [chance.choice(["01234", "90210", "60601"]) for _ in y],
        "reason": [chance.choice(["price", "move"]) if one and chance.random() < 0.7 else "" for one in y],
        "leak": [one + chance.gauss(0, 0.1) for one in y],
        "y": y,
    }
    (tmp_path / "rows.csv").write_text("")
    found = draft("churn", write(tmp_path / "rows.csv", columns), "y")
    spec = ModelSpec.model_validate(parse(found.text).value)
    assert [feature.name for feature in spec.features] == ["x", "leak"]
    assert [(one.name, one.proxies) for one in spec.audit] == [("race", ("zip",)), ("sex", ())]
    assert {
        "rownames is left out: it counts the rows, from 500 to 899",
        "reason is left out: it is filled only where 'y' is true, so it is known only afterwards",
        "race looks like a protected group, so it is audited and never decides",
        "no column seems to be the event time: rows are taken as oldest first",
    } <= set(found.doubts)
    [leak] = [doubt for doubt in found.doubts if doubt.startswith("leak ")]
    assert leak.startswith("leak alone tells 'y' with AUC 1.00")


def test_what_only_tells_when_a_row_was_written_is_left_out(tmp_path: Path) -> None:
    days = [f"2024-{1 + n // 34:02}-{1 + n % 28:02}" for n in range(ROWS)]
    at = sorted(days)
    columns: dict[str, Sequence[object]] = {
        "at": at,
        "x": plain(),
        "odometer": [n * 3.7 + 5 for n in range(ROWS)],
        "y": [0, 1] * (ROWS // 2),
    }
    found = draft("churn", write(tmp_path / "rows.csv", columns), "y")
    assert "odometer is left out: it rises with at: newer rows would lie beyond all that was learnt" in found.doubts
    without = draft("churn", write(tmp_path / "rows.csv", {k: v for k, v in columns.items() if k != "at"}), "y")
    told = "odometer rises along the rows: if they are in the order of time, newer ones lie beyond all seen"
    assert told in without.doubts


@pytest.mark.parametrize(
    ("day_format", "written", "known"),
    [("{m:02}/{d:02}/2024", "day_first: false", True), ("{d:02}/{m:02}/2024", "day_first: true", True),
     ("0{c}/0{c1}/2024", "# day_first: true # check: write it", False)],
)  # fmt: skip
def test_days_and_months_are_told_apart_or_asked_for(
    tmp_path: Path, day_format: str, written: str, known: bool
) -> None:
    at = [day_format.format(m=1 + n % 12, d=1 + n % 28, c=1 + n % 9, c1=1 + n % 7) for n in range(ROWS)]
    found = draft("churn", write(tmp_path / "rows.csv", {"at": at, "x": plain(), "y": [0, 1] * (ROWS // 2)}), "y")
    assert f"  {written}" in found.text
    assert ("at does not tell days and months apart: write day_first under data" in found.doubts) != known


def test_columns_that_the_files_do_not_share_are_left_out(tmp_path: Path) -> None:
    rows = {"x": pa.array(plain()), "y": pa.array([0, 1] * (ROWS // 2))}
    pa.parquet.write_table(pa.table({**rows, "z": pa.array(plain()), "w": rows["x"]}), tmp_path / "1.parquet")
    pa.parquet.write_table(pa.table({**rows, "z": pa.array([[1]] * ROWS)}), tmp_path / "2.parquet")
    found = draft("churn", tmp_path, "y")
    assert "w is left out: it stands in 1 of 2 files only" in found.doubts
    told = "z is left out: it is double in 1.parquet and list<element: int64> in 2.parquet; write both files with the"
    assert [doubt for doubt in found.doubts if doubt.startswith(told)]
    pa.parquet.write_table(pa.table({"x": rows["x"]}), tmp_path / "3.parquet")
    with pytest.raises(BadDeclaration, match="cannot be read: 'y' stands in 2 of 3 files only"):
        draft("churn", tmp_path, "y")


def test_a_german_spreadsheet_is_drafted_with_its_decimal_comma(tmp_path: Path) -> None:
    rows = "\r\n".join(
        f"{n % 28 + 1:02}.03.2024;{value:.2f}".replace(".", ",", 3).replace(",03,2024", ".03.2024") + f";{n % 2}"
        for n, value in enumerate(plain())
    )
    (tmp_path / "rows.csv").write_bytes(f"Bericht\r\nDatum;Betrag;Ja\r\n{rows}\r\n".encode("utf-8-sig"))
    found = draft("churn", tmp_path / "rows.csv", "Ja")
    spec = ModelSpec.model_validate(parse(found.text).value)
    assert (spec.data.decimal, spec.data.time) == (",", "Datum")
    assert spec.feature("Betrag").type == "number"
    assert "1 line above the header of rows.csv is skipped" in found.doubts


def test_a_folder_and_a_query_can_be_drafted_from(tmp_path: Path) -> None:
    import sqlite3

    for place in (1, 2):
        folder = tmp_path / "rows" / f"year=202{place}"
        folder.mkdir(parents=True)
        write(folder / "part.csv", {"x": plain(place), "y": [0, 1] * (ROWS // 2)})
    found = draft("churn", tmp_path / "rows", "y")
    assert f"# Drafted from {2 * ROWS} rows of rows." in found.text
    with sqlite3.connect(tmp_path / "rows.db") as database:
        database.execute("create table t (x real, y int)")
        database.executemany("insert into t values (?, ?)", zip(plain(), [0, 1] * (ROWS // 2), strict=True))
    database.close()
    text = draft("churn", f"sqlite:///{tmp_path}/rows.db", "y", "select * from t").text
    spec = ModelSpec.model_validate(parse(text).value)
    assert (spec.data.query, [feature.name for feature in spec.features]) == ("select * from t", ["x"])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x,y\n1,0\n", "has one value in 'y' ('0'); a target has two"),
        ("x,y\n1,\n", "has no value in 'y'; a target has two"),
        ("x,y\n1,a\n2,b\n3,c\n", "has 3 different values in 'y' ('a', 'b', 'c'); a target has two"),
        ("x,y,y\n1,0,1\n", "has more than one column 'y'; it has: 'x', 'y', 'y'"),
    ],
)
def test_a_target_that_is_none_is_told_in_plain_words(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(BadDeclaration) as raised:
        draft("churn", tmp_path / "rows.csv", "y")
    assert what in str(raised.value)
    assert "did you mean" not in str(raised.value)


def test_one_row_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x,y\n1,0\n2,1\n3,\n")
    doubts = draft("churn", tmp_path / "rows.csv", "y").doubts
    assert "1 row has no 'y' and will be left out" in doubts
    assert "only 1 row of the rarer outcome: too few to learn much from" in doubts


def test_identifiers_of_numbers_and_letters_name_the_subject(tmp_path: Path) -> None:
    lines = [f"{'C' * (place % 3 == 0)}{1000 + place},{place % 7},{place % 2}\n" for place in range(200)]
    (tmp_path / "rows.csv").write_text("customer_id,x,y\n" + "".join(lines))
    found = draft("churn", tmp_path / "rows.csv", "y")
    assert "customer_id is taken as who or what a decision is about" in found.doubts
