"""The demo's figures are those of its own records, and nothing a record says becomes markup."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from tests.worlds.log.decision_log import FEATURES, Segment, decision, outcome, shadow, skip_syncs
from windvane.cluster.decision_log.read.query import Query
from windvane.examples.demo import report
from windvane.examples.demo.summary import broken_promises, summary

JULY, AUGUST = 1_373_000_000.0, 1_376_000_000.0  # 5 July and 8 August 2013
VERDICT = "2026-03-01T12:00:00+00:00"
VERDICT_AT = 1_772_366_400.0
ROLLED_BACK = "rolled_back"


def served(*rows: tuple[float, float, int, float, float | None, bool | None]) -> pa.Table:
    """(at, event_time, version, prediction, what the frozen version would have said, label) of each decision."""
    names = ("at", "event_time", "version", "prediction", "frozen", "label")
    columns = [pa.array([row[place] for row in rows]) for place in range(6)]
    return pa.table(
        [column.cast(pa.bool_()) if n == "label" else column for n, column in zip(names, columns, strict=True)], names
    )


def event(number: int, kind: str, version: int | None = 3, at: str = VERDICT, **facts: Any) -> dict[str, Any]:
    event_time = "2013-07-20T00:00:00+00:00"
    return {
        "number": number,
        "kind": kind,
        "version": version,
        "at": at,
        "event_time": event_time,
        "model": "flight-delay",
        "detail": f"{kind} {number}",
        "facts": facts,
    }


def test_a_month_compares_both_on_the_same_labelled_flights() -> None:
    july = [
        (1.0, JULY, 2, 0.9, 0.4, True),
        (2.0, JULY, 2, 0.2, 0.6, False),
        (3.0, JULY, 1, 0.6, None, True),  # the frozen version answered itself: its own answer counts for both
        (4.0, JULY, 2, 0.5, 0.5, None),  # its outcome is not known
        (5.0, JULY, 2, 0.5, None, True),  # the frozen version was not asked
    ]
    august = [(6.0, AUGUST, 2, 0.5, 0.5, True)]  # one class only: no AUC
    (month,) = report.monthly(served(*july, *august), frozen=1)
    assert (month["month"], month["n"]) == ("2013-07", 3)
    assert month["brier_windvane"] == pytest.approx((0.01 + 0.04 + 0.16) / 3)
    assert month["brier_frozen"] == pytest.approx((0.36 + 0.36 + 0.16) / 3)
    assert month["auc_windvane"] == 1.0
    assert month["auc_frozen"] == pytest.approx(0.25)


def test_months_come_in_order() -> None:
    rows = [(1.0, time, 1, p, None, label) for time in (AUGUST, JULY) for p, label in ((0.1, False), (0.8, True))]
    assert [row["month"] for row in report.monthly(served(*rows), frozen=1)] == ["2013-07", "2013-08"]


def test_the_way_back_is_measured_from_the_verdict_to_the_last_answer() -> None:
    rows = [(VERDICT_AT + after, JULY, version, 0.5, None, None) for after, version in ((-9, 3), (0.0425, 3), (5, 2))]
    events = [
        event(1, "verdict", at="2026-03-01T11:00:00+00:00"),
        event(2, ROLLED_BACK),
        event(3, "phase", rolled_back_in_ms=87.3),
    ]
    assert report.rollback(served(*rows), events, 3) == {
        "version": 3,
        "candidate_requests": 2,
        "verdict_to_last_candidate_request_ms": 42.5,
        "verdict_to_every_replica_ms": 87.3,
    }


def test_a_version_that_answered_nothing_after_its_verdict_took_no_time() -> None:
    before = served((VERDICT_AT - 2.0, JULY, 3, 0.5, None, None))
    found = report.rollback(before, [event(1, ROLLED_BACK)], 3)
    assert found is not None
    assert found["verdict_to_last_candidate_request_ms"] == 0.0
    assert found["verdict_to_every_replica_ms"] is None


def test_a_version_taken_back_before_it_answered_has_no_figure() -> None:
    found = report.rollback(served((1.0, JULY, 2, 0.5, None, None)), [event(1, ROLLED_BACK)], 3)
    assert found is not None
    assert (found["candidate_requests"], found["verdict_to_last_candidate_request_ms"]) == (0, None)
    assert report.way_back(found) == "v3 rolled back: it had answered nothing"


def test_another_versions_rollback_is_not_the_defective_ones() -> None:
    rows = served((1.0, JULY, 3, 0.5, None, None))
    assert report.rollback(rows, [event(1, ROLLED_BACK, version=2)], 3) is None
    assert report.rollback(rows, [event(1, ROLLED_BACK)], None) is None


def test_traffic_is_counted_by_day_and_version() -> None:
    rows = [(1.0, JULY, 1, 0.5, None, None), (2.0, JULY, 2, 0.5, None, None), (3.0, JULY, 1, 0.5, None, None)]
    assert report.traffic(served(*rows, (4.0, AUGUST, 2, 0.5, None, None))) == [
        {"day": "2013-07-05", "version": 1, "decisions": 2},
        {"day": "2013-07-05", "version": 2, "decisions": 1},
        {"day": "2013-08-08", "version": 2, "decisions": 1},
    ]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A whole report, read from a real decision log."""
    folder = tmp_path_factory.mktemp("log")
    with pytest.MonkeyPatch.context() as patch:
        skip_syncs(patch)
        segment = Segment(folder)
        segment.write(
            decision("d1", event_time=JULY), decision("d2", event_time=JULY), decision("d3", event_time=AUGUST)
        )
        segment.write(outcome("d1", True), outcome("d2", False), shadow(["d1", "d2", "d3"], version=9))
        segment.close()
        events = [
            event(1, "promoted"),
            {**event(2, ROLLED_BACK), "detail": "<script>alert('x')</script> & more"},
            event(3, "heartbeat"),
        ]
        version = {"number": 3, "reason": "<b>drift</b>", "created_at": VERDICT, "standing": "champion"}
        built = report.build(Query(folder, FEATURES), events, [version, {**version, "number": 4}], 1, 3)
    return built | {"failed_requests": 0, "first_error": None, "requests": 5, "seconds": 61.4}


def test_the_report_is_of_the_log_and_of_the_loops_events(found: dict[str, Any]) -> None:
    assert found["decisions"] == 3
    assert [row["month"] for row in found["monthly"]] == ["2013-07"]
    assert [each["kind"] for each in found["events"]] == ["promoted", ROLLED_BACK]
    assert [each["outcome"] for each in found["versions"]] == [ROLLED_BACK, "champion"]


class FakeFigure:
    """Stands for a picture: importing matplotlib alone takes longer than all tests here; the demo's own run draws."""

    def savefig(self, file: io.BytesIO, **_: object) -> None:
        file.write(b"drawn")


def test_the_page_shows_what_records_say_and_runs_none_of_it(
    found: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for picture in ("_by_month", "_shares"):
        monkeypatch.setattr(report, picture, lambda _: FakeFigure())
    report.write(found, tmp_path / "new")
    page = (tmp_path / "new" / "report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; more" in page
    assert "&lt;b&gt;drift&lt;/b&gt;" in page
    assert page.count('src="data:image/png;base64,ZHJhd24="') == 2
    assert "http" not in page
    assert json.loads((tmp_path / "new" / "report.json").read_text()) == found


def test_a_run_that_kept_its_promises_breaks_none() -> None:
    month = {"month": "2013-08", "n": 10, "brier_windvane": 0.1, "brier_frozen": 0.2}
    kept = {
        "failed_requests": 0,
        "first_error": None,
        "events": [event(1, "promoted")],
        "rollback": {"version": 3},
        "monthly": [{**month, "month": "2013-07", "brier_windvane": 0.9}, month],
    }
    assert broken_promises(kept) == []
    assert (
        "3 requests failed, the first with 503"
        in broken_promises({**kept, "failed_requests": 3, "first_error": "503"})[0]
    )
    assert broken_promises({**kept, "rollback": None}) == ["the defective version was not taken back"]
    assert broken_promises({**kept, "events": []}) == ["the loop promoted no version"]
    assert "Brier after" in broken_promises({**kept, "monthly": [{**month, "brier_windvane": 0.3}]})[0]
    assert "Brier after" in broken_promises({**kept, "monthly": []})[0]


def test_the_summary_has_the_figures_a_reader_came_for(found: dict[str, Any], tmp_path: Path) -> None:
    out = io.StringIO()
    summary(Console(file=out, width=160), found, tmp_path)
    for words in ("3 decisions in 5 requests, 0 failed, 61 s", "v3 rolled back: it had answered nothing", "2013-07"):
        assert words in out.getvalue()
