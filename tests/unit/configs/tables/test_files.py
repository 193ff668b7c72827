"""Files that are not what their names say."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.files import names_in, part
from windvane.configs.tables.listing import Listed


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    pq.write_table(pa.table({"x": range(100)}), tmp_path / "whole.parquet")
    return (tmp_path / "whole.parquet").read_bytes()


def refused(path: Path) -> set[str]:
    """Refusals of the file by both ways to look into it."""
    said = set()
    for look in (names_in, lambda file: part(file, None)):
        with pytest.raises(BadTable) as raised:
            look(Listed(path, "parquet", ()))
        said.add(str(raised.value).removeprefix(f"{path}: "))
    return said


def test_text_that_is_called_parquet_is_told_its_name(tmp_path: Path) -> None:
    for text in ("x,y\n1,0\n", "", '{"x": 1}\n'):
        (tmp_path / "rows.parquet").write_text(text)
        assert refused(tmp_path / "rows.parquet") == {
            "is not Parquet, whatever its name says; call text .csv and JSON lines .jsonl"
        }


def test_half_of_a_parquet_file_is_told_as_such(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "rows.parquet").write_bytes(whole[: len(whole) // 2])
    assert refused(tmp_path / "rows.parquet") == {"is cut off: it does not end as Parquet does; copy it again"}


def test_parquet_that_was_packed_again_is_told(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "rows.parquet.gz").write_bytes(gzip.compress(whole))
    assert refused(tmp_path / "rows.parquet.gz") == {"is packed; Parquet is packed inside: unpack it"}


def test_a_whole_file_is_read(tmp_path: Path, whole: bytes) -> None:
    assert part(Listed(tmp_path / "whole.parquet", "parquet", ()), None).table.num_rows == 100
    assert whole.endswith(b"PAR1")
