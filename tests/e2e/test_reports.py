"""Evidently writes one offline page from what a comparison gives it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.worlds.observations import SPEC
from windvane.monitoring.comparison import Comparison
from windvane.monitoring.reports import write_report


@pytest.mark.filterwarnings("ignore")  # Evidently's and its dependencies', on import and while it writes
def test_the_report_is_one_page_that_names_the_features(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def table(mean: float) -> pa.Table:
        return pa.table({"temp": rng.normal(mean, 5.0, 300), "origin": rng.choice(["EWR", "JFK"], 300)})

    page = write_report(SPEC, Comparison(table(50.0), table(70.0), "a sample"), tmp_path / "out" / "drift.html")
    text = page.read_text()
    assert "<html" in text
    assert "temp" in text
    assert "origin" in text
