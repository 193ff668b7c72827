import pyarrow as pa

from windvane.configs.tables.truth import is_truth, truths


def test_truth_is_read_in_words_digits_and_the_languages_that_spreadsheets_write() -> None:
    column = pa.chunked_array([["true", " No", "T", "0", "1.0", "0.00", "WAHR", "nein", "Y", None, "n/a", ""]])
    values, unknown = truths(column)
    assert values.to_pylist() == [True, False, True, False, True, False, True, False, True, None, None, None]
    assert not any(unknown.to_pylist())


def test_what_is_neither_is_told() -> None:
    values, unknown = truths(pa.chunked_array([["maybe", "2", "10", "1.5", "yes"]]))
    assert values.to_pylist() == [None, None, None, None, True]
    assert unknown.to_pylist() == [True, True, True, True, False]


def test_one_text_is_read_by_the_same_rule_as_a_column() -> None:
    assert [is_truth(text) for text in ("true", " No", "1.0", "0,0", "maybe", "", "2")] == [
        True, False, True, False, None, None, None,
    ]  # fmt: skip
