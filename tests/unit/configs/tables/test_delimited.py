import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.files import read_file
from windvane.configs.tables.listing import Listed

TWO = {"a": ["1", "3"], "b": ["2,5", "4"]}


def read(
    folder: Path, content: str | bytes, name: str = "rows.csv", columns: list[str] | None = None
) -> dict[str, list[str]]:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    table: dict[str, list[str]] = read_file(Listed(file, "text"), columns).to_pydict()
    return table


@pytest.mark.parametrize(
    "content",
    [
        'a,b\n1,"2,5"\n3,4\n',
        "a;b\n1;2,5\n3;4\n",
        "a\tb\n1\t2,5\n3\t4\n",
        "a|b\n1|2,5\n3|4\n",
        "\ufeffa;b\r\n1;2,5\r\n3;4\r\n",
        "sep=;\na;b\n1;2,5\n3;4\n",
        "a;b\r1;2,5\r3;4\r",
        "a;b\n\n1;2,5\n\n3;4",
        " a ; b\n1;2,5\n3;4\n",
        "Sales of March\n\na;b\n1;2,5\n3;4\n",
        "# made by hand, in haste\na;b\n1;2,5\n3;4\n",
        "a;b\n1;2,5\n3;4\n".encode("utf-16"),
    ],
)
def test_one_table_in_the_ways_files_write_it(tmp_path: Path, content: str | bytes) -> None:
    assert read(tmp_path, content) == TWO


def test_a_decimal_comma_parts_no_cells(tmp_path: Path) -> None:
    content = "Bericht\nDatum;Betrag;Ja\n" + "".join(f"0{day}.03.2024;{day},50;0\n" for day in range(1, 9))
    assert read(tmp_path, content)["Betrag"][:2] == ["1,50", "2,50"]


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("rows.csv", data)
        archive.writestr("__MACOSX/._rows.csv", b"x")
    return buffer.getvalue()


def zstandard(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data).to_pybytes())


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zipped, zstandard])
def test_packed_files_are_read_whatever_their_name_says(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    assert read(tmp_path, pack(b"a;b\n1;2,5\n3;4\n")) == TWO


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress, zstandard, zipped])
def test_half_of_a_packed_file_is_a_sentence(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    whole = pack(b"a;b\n" + b"".join(b"%d;%d\n" % (number, number * 7919) for number in range(3000)))
    with pytest.raises(BadTable, match=r"rows\.csv: is damaged or ends too early; make or copy it anew"):
        read(tmp_path, whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a,b\n1,2,secret\n3,4\n5,6,7\n8,9\n0,0\n", r"line 2 has 3 cells where the header has 2 \(and 1 more\)"),
        ("b\n1,2\n3,4\n5,6\n", "line 1 has 1 cell and line 2 has 2; every column needs a name in the header"),
        ('a,b\n1,"secret\n2,y\n3,z\n', "line 2 opens a quote that is not closed as it should be"),
        ('a,b,c\n1,"secret,2\n2,y,3\n3,"z",4\n4,5,6\n', "line 2 opens a quote that is not closed"),
        ('a,b\n0,0\n1,"say \\"secret\\""\n', "line 3 opens a quote that is not closed as it should be"),
        ('a, b\n1, "x, secret"\n', "its rows have different numbers of cells, whatever parts them"),
        (b"a,b\nx,y\ncaf\xe9,secret\n", r"line 3 is not UTF-8; save it as UTF-8 \(in Excel: CSV UTF-8"),
        (b"a,b\n" + b"x,y\n" * 90_000 + b"caf\xe9,secret\n", "line 90002 is not UTF-8"),
        (b"a,b\n\x00\x01,secret\n", "holds bytes that no text holds; is it CSV at all"),
        (b"\xd0\xcf\x11\xe0secret", "is an Excel workbook"),
    ],
)
def test_a_malformed_file_is_refused_by_its_line_and_no_row_is_shown(
    tmp_path: Path, content: str | bytes, sentence: str
) -> None:
    with pytest.raises(BadTable, match=sentence) as refusal:
        read(tmp_path, content)
    assert "secret" not in str(refusal.value)


def test_a_quote_left_open_in_a_column_nobody_reads_swallows_no_rows(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="line 2 opens a quote"):
        read(tmp_path, 'a,note\n1,"x\n2,y"oops\n3,z\n', columns=["a"])


def test_text_over_several_lines_and_inches_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, 'a,b\n1,"two\nlines"\n2,5" pipe\n') == {"a": ["1", "2"], "b": ["two\nlines", '5" pipe']}
    assert read(tmp_path, '"a\nb",c\n1,2\n') == {"a\nb": ["1"], "c": ["2"]}


def test_a_name_that_stands_twice_is_refused_when_it_is_asked_for(tmp_path: Path) -> None:
    content = "a,b,a\n1,2,3\n"
    assert read(tmp_path, content, columns=["b"]) == {"b": ["2"]}
    with pytest.raises(BadTable, match="has more than one column 'a'; rename all but one"):
        read(tmp_path, content, columns=["a"])


def test_headers_without_rows_and_without_names(tmp_path: Path) -> None:
    assert read(tmp_path, "a,b\n") == {"a": [], "b": []}
    assert read(tmp_path, ",b\n1,2\n3,4\n") == {"": ["1", "3"], "b": ["2", "4"]}
    assert read(tmp_path, "a,b,\n1,2,\n") == {"a": ["1"], "b": ["2"], "": [""]}
