import os
from pathlib import Path

import pytest

from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.listing import listing

CSV = "a,b\n1,2\n"


def laid(folder: Path, *names: str, text: str = CSV) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def names(pattern: Path | str) -> list[str]:
    return [file.path.name for file in listing(str(pattern)).files]


def test_suffixes_count_in_any_case_and_only_at_the_end(tmp_path: Path) -> None:
    laid(tmp_path, "JAN.CSV", "feb.csv", "x.tsv_old.csv", "Mar.Csv.Txt")
    assert names(tmp_path) == ["JAN.CSV", "Mar.Csv.Txt", "feb.csv", "x.tsv_old.csv"]


def test_folders_in_folders_are_read_and_tell_their_columns(tmp_path: Path) -> None:
    laid(tmp_path, "year=2024/month=01/part.csv", "year=2023/month=12/part.csv")
    found = listing(str(tmp_path)).files
    assert [file.parts for file in found] == [
        (("year", "2023"), ("month", "12")),
        (("year", "2024"), ("month", "01")),
    ]
    assert names(tmp_path / "year=2024") == names(tmp_path / "year=2024" / "month=01" / "part.csv") == ["part.csv"]
    assert names(f"{tmp_path}/**/*.csv") == names(f"{tmp_path}/year=*") == ["part.csv", "part.csv"]


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    laid(tmp_path, "jan.csv", "._jan.csv", ".cache/feb.csv", "_SUCCESS", "README.md")
    laid(tmp_path, "empty.csv", text="")
    found = listing(str(tmp_path))
    assert [file.path.name for file in found.files] == ["jan.csv"]
    assert found.notes == (
        "._jan.csv is hidden, as ._jan.csv begins with '.', and is not read",
        ".cache/feb.csv is hidden, as .cache begins with '.', and is not read",
        "README.md is no table and is not read",
        "_SUCCESS is hidden, as _SUCCESS begins with '_', and is not read",
        "empty.csv is empty",
    )


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ("feb.xlsx", "is an Excel workbook; save it as CSV UTF-8"),
        ("feb.json", "is JSON; write one object a line"),
        ("feb.feather", "is a Feather file; convert it to Parquet or CSV"),
        ("feb.pkl", "is a pickle, which is not read from anywhere"),
        ("feb.gz", "is packed, and its name does not tell what it holds; call it NAME.csv.gz"),
        ("feb.jsonl", "jan.csv: is CSV, and feb.jsonl is JSON lines; data must be all CSV, all Parquet or all JSON"),
    ],
)
def test_rows_that_cannot_be_read_with_the_others_are_not_passed_over(
    tmp_path: Path, other: str, sentence: str
) -> None:
    laid(tmp_path, "jan.csv", other)
    with pytest.raises(BadTable, match=sentence):
        listing(str(tmp_path))


def test_a_file_that_somebody_names_is_read_though_it_is_hidden(tmp_path: Path) -> None:
    laid(tmp_path, "_jan.csv", "a[1].csv")
    assert names(tmp_path / "_jan.csv") == ["_jan.csv"]
    assert names(tmp_path / "a[1].csv") == ["a[1].csv"]


def test_nothing_there_is_a_sentence_that_says_what_is(tmp_path: Path) -> None:
    laid(tmp_path, "jan.csv")
    with pytest.raises(
        BadTable, match=r"jam\.csv: no such file, folder or match; in .* there are: jan\.csv"
    ) as refusal:
        listing(str(tmp_path / "jam.csv"))
    assert refusal.value.absent
    (tmp_path / "void").mkdir()
    with pytest.raises(BadTable, match="holds no file that can be read"):
        listing(str(tmp_path / "void"))
    laid(tmp_path, "rows")
    with pytest.raises(BadTable, match="is of a kind that is not known by its name"):
        listing(str(tmp_path / "rows"))


def test_a_link_that_leads_back_up_is_followed_once(tmp_path: Path) -> None:
    laid(tmp_path, "in/jan.csv")
    os.symlink(tmp_path, tmp_path / "in" / "loop")
    assert set(names(tmp_path)) == {"jan.csv"}
    assert len(names(tmp_path)) <= 2
