"""A look at the first rows finds faults by field, before anything is trained."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from windvane.configs.complaint import spelled
from windvane.configs.schema import ModelSpec
from windvane.configs.table_check import HEAD, check

NOW = datetime(2024, 6, 1, tzinfo=UTC)
CSV = "customer,income,region,asked_at,bad\na,1,north,2024-01-01,0\nb,2,south,2024-01-02,1\n"


def loans(source: Path | str, features: list[dict[str, Any]] | None = None, **data: Any) -> ModelSpec:
    region = {"name": "region", "type": "category", "categories": ["north", "south"], "missing": True}
    return ModelSpec.model_validate(
        {
            "name": "loans",
            "owner": "credit",
            "unit": "customer",
            "target": {"name": "bad"},
            "features": features or [{"name": "income", "type": "number", "missing": True}, region],
            "data": {"source": str(source), "time": "asked_at", "subject": "customer", **data},
            "decision": {"actions": [{"name": "grant", "at_least": 0.0}]},
        }
    )


def faults(spec: ModelSpec) -> list[str]:
    return [f"{spelled(one.path)}: {one.what} -> {one.nearest}" for one in check(spec, NOW).faults]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    file.write_text(CSV)
    return file


def test_good_rows_have_no_faults_and_no_notes(rows: Path) -> None:
    assert check(loans(rows), NOW).faults == ()
    assert check(loans(rows), NOW).notes == ()


def test_every_column_that_is_not_there_is_named_where_it_is_declared(rows: Path) -> None:
    spec = loans(rows, [{"name": "Income", "type": "number"}], time="whenn", subject="costumer")
    assert faults(spec) == [
        "features[0].name: the file has no column 'Income' -> income",
        "data.time: the file has no column 'whenn' -> None",
        "data.subject: the file has no column 'costumer' -> customer",
    ]
    assert faults(loans(rows, time="moment")) == [
        "data.time: the file has no column 'moment'; it has: customer, income, region, asked_at, bad -> None"
    ]


def test_a_file_or_function_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert faults(loans(tmp_path / "rows.csv")) == [
        f"data.source: {tmp_path}/rows.csv: no such file, folder or match -> None"
    ]
    [fault] = faults(loans("python:no_such_module:rows"))
    assert fault.startswith("data.source: python:no_such_module:rows: there is no module 'no_such_module'")


def test_all_that_does_not_hold_is_said_at_once(rows: Path) -> None:
    rows.write_text(CSV.replace("a,1,", "a,one,").replace("2024-01-02", "soon").replace(",1\n", ",maybe\n"))
    assert faults(loans(rows)) == [
        "features[0]: Column 'income', row 1: text of the shape `aaa` is not a number -> None",
        "target.name: Column 'bad', row 2: text of the shape `aaaaa` is not true or false -> None",
        "data.time: Column 'asked_at', row 2: text of the shape `aaaa` is not a time; "
        "write 2013-03-01T17:30:00Z -> None",
    ]


def test_of_many_files_every_header_is_read(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.csv").write_text(CSV)
    assert faults(loans(tmp_path)) == []
    (tmp_path / "17.csv").write_text(CSV.replace("income", "wage"))
    assert faults(loans(tmp_path))[0].startswith("features[0].name: 17.csv has no column 'income'")


def test_only_the_head_of_a_long_file_is_read(rows: Path) -> None:
    rows.write_text(CSV + "c,3,north,2024-01-03,1\n" * HEAD + "d,x,north,2024-01-04,1\n")
    assert faults(loans(rows)) == []


def test_files_that_disagree_on_types_are_named(tmp_path: Path) -> None:
    columns = {"region": ["north"], "asked_at": ["2024-01-01"], "bad": [1], "customer": ["a"]}
    pa.parquet.write_table(pa.table({**columns, "income": [1]}), tmp_path / "1.parquet")
    pa.parquet.write_table(pa.table({**columns, "income": [NOW]}), tmp_path / "2.parquet")
    assert faults(loans(tmp_path)) == [
        "data.source: column 'income' is int64 in 1.parquet and timestamp[us, tz=UTC] in 2.parquet; "
        "write both files with the same type -> None"
    ]


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ("north", "east", "region: 50% of the rows looked at hold a category that is not declared"),
        ("2024-01-02", "2031-01-02", "asked_at: the newest row looked at lies ahead, at 2031-01-02 00:00 UTC; is it"),
        (",1\n", ",0\n", "bad: is the same in every row, so there is nothing to learn"),
        ("2024-01-0", "4535", "asked_at: is read as seconds since 1970, from 1970-01-01 12:35 to 1970-01-01 12:35"),
    ],
)
def test_what_holds_and_looks_wrong_is_told(rows: Path, old: str, new: str, note: str) -> None:
    rows.write_text(CSV.replace(old, new))
    found = check(loans(rows), NOW)
    assert found.faults == ()
    [told] = found.notes
    assert told.startswith(note)


def test_rows_outside_of_what_is_usual_are_told_and_hold(rows: Path) -> None:
    spec = loans(rows, [{"name": "income", "type": "number", "usual": [5, 9]}])
    assert check(spec, NOW).faults == ()
    assert check(spec, NOW).notes == ("income: 100% of the rows looked at lie outside of `usual`",)


def test_what_a_folder_leaves_out_is_told(tmp_path: Path, rows: Path) -> None:
    (tmp_path / "._rows.csv").write_bytes(b"\x00\x05")
    assert check(loans(tmp_path), NOW).notes == (
        "._rows.csv is hidden, as ._rows.csv begins with '.', and is not read",
    )


def test_a_feature_that_may_be_protected_is_told_whoever_wrote_the_declaration(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(
        "customer,asked_at,income,gender,zip,bad\na,2024-01-01,1,0,7,1\nb,2024-01-02,2,1,8,0\n"
    )
    features = [{"name": name, "type": "number"} for name in ("income", "gender", "zip")]
    told = check(loans(tmp_path / "r.csv", features), NOW).notes
    assert [note.partition(":")[0] for note in told] == ["gender", "zip"]
    assert "declare it under `audit`" in told[0]


def test_what_init_would_not_have_drafted_is_told_of_a_declaration_written_by_hand(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 3000
    x = rng.normal(size=n)
    bad = rng.random(n) < 1 / (1 + np.exp(-2 * x))
    reason = rng.choice(["moved", "price"], n).astype(object)
    reason[~(bad & (rng.random(n) < 0.6))] = None
    table = {
        "customer": [str(place) for place in range(n)],
        "asked_at": [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=place) for place in range(n)],
        "x": x,
        "defaulted": np.where(bad, "yes", "no"),
        "collected": bad + rng.normal(size=n) / 10,
        "reason": reason,
        "rownames": np.arange(500, 500 + n),
        "odometer": np.arange(n) * 7.3 + rng.normal(size=n),
        "country": ["de"] * n,
        "year": np.where(np.arange(n) < 1500, 2023, 2024),
        "bad": bad,
    }
    pyarrow.parquet.write_table(pa.table(table), tmp_path / "rows.parquet")
    number, text = {"type": "number"}, {"type": "category", "missing": True}
    features: list[dict[str, Any]] = [
        {"name": "x", **number},
        {"name": "defaulted", "categories": ["yes", "no"], **text},
        {"name": "collected", **number},
        {"name": "reason", "categories": ["moved", "price"], **text},
        {"name": "rownames", "type": "integer"},
        {"name": "odometer", **number},
        {"name": "country", "categories": ["de", "fr"], **text},
        {"name": "year", **number},
    ]
    found = check(loans(tmp_path / "rows.parquet", features), NOW)
    assert found.faults == ()
    told = (
        "defaulted: tells 'bad' outright: with it there is nothing to predict; leave it out",
        "collected: alone tells 'bad' with AUC 1.00: was it known before the decision?",
        "reason: is filled only where 'bad' is true, so it is known only afterwards; leave it out",
        "rownames: counts the rows, from 500 to 3,499; leave it out",
        "odometer: rises with asked_at: newer rows would lie beyond all that was learnt; leave it out",
        "country: has the same value in every row; leave it out",
        "year: is a year of the calendar, and newer ones would lie beyond all that was learnt; leave it out",
    )
    assert found.notes == told
    without = check(loans(tmp_path / "rows.parquet", features, time=None), NOW).notes
    assert "odometer: rises along the rows: if they are in the order of time, newer ones lie beyond all seen" in without
