import sqlite3
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet
import pytest

from windvane.cluster.errors import Invalid, NotFound
from windvane.configs.schema import ModelSpec, Source
from windvane.training.rows.coerce import coerce
from windvane.training.rows.sources import read


def loans(source: str = "loans.csv", **data: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "loans",
            "owner": "credit",
            "unit": "customer",
            "target": {"name": "defaulted"},
            "features": [
                {"name": "income", "type": "number", "missing": True},
                {"name": "region", "type": "category", "categories": ["01", "02", "NA"], "missing": True},
            ],
            "data": {"source": source, "time": "asked_at", "subject": "customer", **data},
            "decision": {"actions": [{"name": "grant", "at_least": 0.0}]},
        }
    )


CSV = """customer,income,region,asked_at,defaulted,note
007,1.5,01,2024-01-01,0,x
008,,NA,2024-01-02,1,y
009,NA,,2024-01-03,0,
"""


def test_a_csv_keeps_leading_zeros_and_declared_na_as_values(tmp_path: Path) -> None:
    (tmp_path / "loans.csv").write_text(CSV)
    table = read(loans(str(tmp_path / "loans.csv")))
    assert table.column_names == ["income", "region", "defaulted", "asked_at", "customer"]
    assert table.column("customer").to_pylist() == ["007", "008", "009"]
    held = coerce(table, loans())
    assert held.column("region").to_pylist() == ["01", "NA", None]
    assert held.column("income").to_pylist() == [1.5, None, None]


def test_na_is_missing_where_no_category_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "loans.csv").write_text(CSV)
    spec = loans(str(tmp_path / "loans.csv"))
    region = spec.features[1].model_copy(update={"categories": ("01", "02")})
    spec = spec.model_copy(update={"features": (spec.features[0], region)})
    held = coerce(read(spec), spec)
    assert held.column("region").to_pylist() == ["01", None, None]
    assert held.column("income").to_pylist() == [1.5, None, None]


def test_in_a_file_a_text_for_no_value_is_told_where_none_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "loans.csv").write_text(CSV)
    spec = loans(str(tmp_path / "loans.csv"))
    region = spec.features[1].model_copy(update={"categories": ("01", "02"), "missing": False})
    spec = spec.model_copy(update={"features": (spec.features[0], region)})
    what = r"row 2: text of the shape `AA` stands for a missing value; say `missing: true`, or declare it as a category"
    with pytest.raises(Invalid, match=what):
        coerce(read(spec), spec)
    served = read(spec).slice(0, 2).replace_schema_metadata(None)
    assert coerce(served, spec).column("region").to_pylist() == ["01", "NA"]


def test_a_glob_reads_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for day in (2, 1):
        text = f"customer,income,region,asked_at,defaulted\n{day},{day},01,2024-01-0{day},0\n"
        (tmp_path / f"loans-{day}.csv").write_text(text)
    assert read(loans(str(tmp_path / "loans-*.csv"))).column("income").to_pylist() == ["1", "2"]
    assert read(loans(str(tmp_path))).column("customer").to_pylist() == ["1", "2"]


def test_parquet_gives_only_the_declared_columns(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "note": ["x"],
            "defaulted": [True],
            "asked_at": ["2024-01-01"],
            "customer": [1],
            "region": ["01"],
            "income": [2.0],
        }
    )
    pyarrow.parquet.write_table(rows, tmp_path / "loans.parquet")
    assert read(loans(str(tmp_path / "loans.parquet"))).to_pylist() == [
        {"income": 2.0, "region": "01", "defaulted": True, "asked_at": "2024-01-01", "customer": 1}
    ]


def test_a_sql_query_gives_its_rows(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "loans.db") as database:
        database.execute("create table loans (customer text, income real, region text, asked_at text, defaulted int)")
        database.execute("insert into loans values ('a', null, '01', '2024-01-01', 0), ('b', 2, null, '2024-01-02', 1)")
    database.close()
    spec = loans(f"sqlite:///{tmp_path}/loans.db", query="select * from loans order by customer")
    assert read(spec).column("income").to_pylist() == [None, 2.0]
    with pytest.raises(Invalid, match="no such table") as refused:
        read(loans(f"sqlite:///{tmp_path}/loans.db", query="select * from lones"))
    opened = [each.path for each in psutil.Process().open_files()]
    assert str(tmp_path / "loans.db") not in opened, refused


def test_a_failing_query_shows_what_the_database_said_but_no_password() -> None:
    spec = loans("postgresql+absent://reader:secret@db/loans", query="select 1")
    with pytest.raises(Invalid, match=r"postgresql\+absent://reader:\*\*\*@db/loans failed") as refusal:
        read(spec)
    assert "secret" not in str(refusal.value)


def test_a_python_function_may_return_arrow_or_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas  # not before it is asked for: see conftest

    module = ModuleType("own_rows")
    columns = {"income": [1.0], "region": ["01"], "asked_at": ["2024-01-01"], "customer": ["a"], "defaulted": [True]}
    module.arrow = lambda: pa.table(columns)  # type: ignore[attr-defined]
    module.frame = lambda: pandas.DataFrame(columns)  # type: ignore[attr-defined]
    module.text = lambda: "rows"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_rows", module)
    assert read(loans("python:own_rows:arrow")).to_pylist() == read(loans("python:own_rows:frame")).to_pylist()
    with pytest.raises(Invalid, match="returned str"):
        read(loans("python:own_rows:text"))
    with pytest.raises(NotFound, match="has no function 'absent'"):
        read(loans("python:own_rows:absent"))
    with pytest.raises(NotFound, match="no_such_module"):
        read(loans("python:no_such_module:load"))


def test_another_source_may_stand_in_for_the_declared_one(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text(CSV)
    assert read(loans("absent.csv"), Source(source=str(tmp_path / "other.csv"))).num_rows == 3


def test_absent_files_and_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        read(loans(str(tmp_path / "absent-*.csv")))
    (tmp_path / "loans.csv").write_text("customer,income\na,1\n")
    with pytest.raises(Invalid, match="no column 'region', 'defaulted', 'asked_at'; it has: customer, income"):
        read(loans(str(tmp_path / "loans.csv")))


def test_a_mixture_of_formats_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "b.xlsx").write_text("")
    with pytest.raises(Invalid, match=r"b\.xlsx: is an Excel workbook; save it as CSV"):
        read(loans(str(tmp_path / "*")))


def test_files_that_write_the_same_thing_differently_are_one_table(tmp_path: Path) -> None:
    header = "customer,income,region,asked_at,defaulted\n"
    (tmp_path / "01.csv").write_text(f"{header}a,1,01,2024-01-01,0\n")
    (tmp_path / "02.CSV").write_text(f"{header.replace(',', ';')}b;n/a ;02;2024-01-02 10:00;true\n")
    spec = loans(str(tmp_path))
    held = coerce(read(spec), spec)
    assert held.column("income").to_pylist() == [1.0, None]
    assert held.column("defaulted").to_pylist() == [False, True]
    assert [str(moment) for moment in held.column("asked_at").to_pylist()] == [
        "2024-01-01 00:00:00+00:00", "2024-01-02 10:00:00+00:00",
    ]  # fmt: skip


def test_a_row_is_named_in_its_own_file(tmp_path: Path) -> None:
    header = "customer,income,region,asked_at,defaulted\n"
    (tmp_path / "01.csv").write_text(f"{header}a,1,01,2024-01-01,0\n")
    (tmp_path / "02.csv").write_text(f"{header}b,2,02,2024-01-02,1\nc,secret,02,2024-01-03,1\n")
    spec = loans(str(tmp_path))
    with pytest.raises(Invalid, match=r"Column 'income', row 2 of 02\.csv: text of the shape `aaaaaa` is not a number"):
        coerce(read(spec), spec)


def test_a_column_that_one_of_the_files_lacks_is_named_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "01.csv").write_text(CSV)
    (tmp_path / "02.csv").write_text(CSV.replace("income", "Income"))
    with pytest.raises(Invalid, match=r"02\.csv has no column 'income'; it has: customer, Income, region"):
        read(loans(str(tmp_path)))


def test_folders_may_tell_a_column(tmp_path: Path) -> None:
    for region in ("01", "02"):
        (tmp_path / f"region={region}").mkdir()
        text = f"customer,income,asked_at,defaulted\nc{region},1,2024-01-01,0\n"
        (tmp_path / f"region={region}" / "part.csv").write_text(text)
    assert read(loans(str(tmp_path))).column("region").to_pylist() == ["01", "02"]


def test_parquet_files_that_disagree_on_a_type_are_named(tmp_path: Path) -> None:
    rows = {"income": [1], "region": ["01"], "asked_at": ["2024-01-01"], "customer": ["a"], "defaulted": [1]}
    pyarrow.parquet.write_table(pa.table(rows), tmp_path / "1.parquet")
    pyarrow.parquet.write_table(pa.table({**rows, "income": ["2"], "defaulted": [True]}), tmp_path / "2.parquet")
    spec = loans(str(tmp_path))
    held = coerce(read(spec), spec)
    assert held.column("income").to_pylist() == [1.0, 2.0]
    assert held.column("defaulted").to_pylist() == [True, True]
    pyarrow.parquet.write_table(pa.table({**rows, "income": [[2]]}), tmp_path / "3.parquet")
    with pytest.raises(Invalid, match=r"column 'income' is text in 2\.parquet and list<.*> in 3\.parquet"):
        read(spec)


@pytest.mark.parametrize("rows_at_once", [1, 2, 50_000])
def test_a_query_may_give_another_type_in_every_row_and_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    monkeypatch.setattr("windvane.configs.tables.database.ROWS_AT_ONCE", rows_at_once)
    with sqlite3.connect(tmp_path / "loans.db") as database:
        database.execute("create table loans (customer, income, region, asked_at, defaulted)")
        rows = (
            "(1, 1, '01', '2024-01-01', 0), ('b', '2.5', null, '2024-01-02', 1), (3, 'n/a', '01', '2024-01-03', 'yes')"
        )
        database.execute(f"insert into loans values {rows}")
    database.close()
    spec = loans(f"sqlite:///{tmp_path}/loans.db", query="select * from loans")
    held = coerce(read(spec), spec)
    assert held.column("income").to_pylist() == [1.0, 2.5, None]
    assert held.column("customer").to_pylist() == ["1", "b", "3"]
    assert held.column("defaulted").to_pylist() == [False, True, True]
    with pytest.raises(Invalid, match=r"data\.query gives more than one column 'customer'; name them with AS"):
        read(loans(f"sqlite:///{tmp_path}/loans.db", query="select a.*, b.customer from loans a, loans b"))
    with pytest.raises(Invalid, match=r"data.query on sqlite:.*loans\.db failed: no such table: lones"):
        read(loans(f"sqlite:///{tmp_path}/loans.db", query="select * from lones"))


def test_a_function_that_fails_is_told_by_its_place_and_never_by_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas

    module = ModuleType("own_rows")

    def fails() -> None:
        raise ValueError("Maria Meier")

    rows = {"income": [1, "x", 2.5], "region": ["01", None, 2], "asked_at": ["2024-01-01"] * 3, "customer": [1, 2, 3]}
    module.fails = fails  # type: ignore[attr-defined]
    module.mixed = lambda: pandas.DataFrame({**rows, "defaulted": [1, True, "no"]})  # type: ignore[attr-defined]
    module.twice = lambda: pandas.DataFrame([[1, 2]], columns=["income", "income"])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_rows", module)
    with pytest.raises(
        Invalid, match=r"python:own_rows:fails raised ValueError at test_sources\.py:\d+; run it"
    ) as refusal:
        read(loans("python:own_rows:fails"))
    assert "Maria" not in str(refusal.value)
    assert read(loans("python:own_rows:mixed")).column("defaulted").to_pylist() == ["1", "true", "no"]
    with pytest.raises(Invalid, match="returns more than one column 'income'; rename all but one"):
        read(loans("python:own_rows:twice"))
