import pyarrow as pa
import pytest

from windvane.configs.tables.missing import MARKERS, blanked, means_missing


@pytest.mark.parametrize(
    "text",
    ["", " ", "\t", "\u00a0", "NA", "n/a ", "N/A", "None", "null", "NaN", "?", "\\N", "#N/A", "-", "--", "<NA>", "."],
)
def test_what_stands_for_no_value(text: str) -> None:
    assert means_missing(text)
    assert blanked(pa.chunked_array([[text, "x"]])).to_pylist() == [None, "x"]


@pytest.mark.parametrize("text", ["0", "no", "unknown", "nan 1", "n", "a", "Nancy", "N/A-7"])
def test_what_is_a_value_however_little_it_says(text: str) -> None:
    assert not means_missing(text)
    assert blanked(pa.chunked_array([[text]])).to_pylist() == [text]


def test_a_declared_category_stands_for_itself_and_only_as_it_is_written() -> None:
    assert not means_missing("NA", declared=("NA", "ZA"))
    assert means_missing("na", declared=("NA", "ZA"))
    assert blanked(pa.chunked_array([["NA", "na", "ZA", None]]), ("NA", "ZA")).to_pylist() == ["NA", None, "ZA", None]


def test_words_that_name_something_somewhere_are_no_plain_markers() -> None:
    column = pa.chunked_array([["NA", "None", "-", "", "?", "\\N"]])
    assert blanked(column, texts=MARKERS).to_pylist() == ["NA", "None", "-", None, None, None]
