"""Questions to the log: sealed and live together, each record once, and nothing else within reach."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from tests.worlds.log.decision_log import FEATURES, Segment, decision, outcome, shadow, skip_syncs, written
from windvane.cluster.decision_log.read import query as query_module
from windvane.cluster.decision_log.read.columns import DATASETS, Dataset
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.read.sealer import Sealer
from windvane.cluster.decision_log.record import DENIED
from windvane.cluster.decision_log.write.segment import FeatureColumn, live_path, sealed_path
from windvane.cluster.errors import Invalid, TooLarge
from windvane.configs.schema import Feature


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """d1 and d2 sealed, d3 live and held; d1 corrected later, d3 without a label yet. Nobody changes it."""
    root = tmp_path_factory.mktemp("log")
    written(root, decision("d1", event_time=1.0), decision("d2", event_time=2.0), opened_at=1.0)
    written(root, outcome("d1", False, at=20.0), shadow(["d1", "d2"]), opened_at=2.0)
    Sealer(root).seal()
    segment = Segment(root, 3.0)
    segment.write(decision("d3", event_time=3.0), outcome("d1", True, at=30.0), outcome("d2", True, at=31.0, cost=4.5))
    segment.write(outcome("d2", None, at=32.0), outcome("d3", None, at=33.0, cost=1.0), shadow(["d3"], version=3))
    yield root
    segment.close()


def test_an_empty_log_has_empty_views_of_the_declared_shape(tmp_path: Path) -> None:
    query = Query(tmp_path, FEATURES)
    assert query.sql("SELECT * FROM labelled").num_rows == 0
    rows = query.training_rows()
    assert rows.column_names == ["temp", "hour of day", "weekend", "carrier", "label", "event_time", "subject"]
    assert rows.schema.field("hour of day").type == pa.int64()


def test_sealed_and_live_are_one_view(log: Path) -> None:
    query = Query(log, FEATURES)
    assert query.sql('SELECT decision_id, x_temp, "x_hour of day" FROM decisions ORDER BY 1').to_pylist() == [
        {"decision_id": name, "x_temp": 20.5, "x_hour of day": 7} for name in ("d1", "d2", "d3")
    ]
    assert query.sql("SELECT count(*) AS n FROM outcomes").to_pylist() == [{"n": 5}]


def test_shadows_have_one_row_per_decision(log: Path) -> None:
    rows = Query(log, FEATURES).sql("SELECT version, decision_id, prediction FROM shadows ORDER BY decision_id")
    assert rows.to_pylist() == [
        {"version": version, "decision_id": name, "prediction": 0.25}
        for version, name in ((2, "d1"), (2, "d2"), (3, "d3"))
    ]


def test_labelled_takes_the_newest_label_and_forgets_none(log: Path) -> None:
    rows = Query(log, FEATURES).sql(
        "SELECT decision_id, label, label_at, kpis['cost'] AS cost FROM labelled ORDER BY 1"
    )
    assert rows.to_pylist() == [
        {"decision_id": "d1", "label": True, "label_at": 30.0, "cost": None},
        {"decision_id": "d2", "label": True, "label_at": 31.0, "cost": 4.5},
    ]


def test_a_decision_logged_twice_is_labelled_once(tmp_path: Path) -> None:
    written(tmp_path, decision("d1", at=1.0), decision("d1", at=2.0), outcome("d1"))
    query = Query(tmp_path, FEATURES)
    assert query.sql("SELECT recorded_at FROM labelled").to_pylist() == [{"recorded_at": 1.0}]
    assert query.sql("SELECT count(*) AS n FROM decisions").to_pylist() == [{"n": 2}]


def test_context_and_reasons_can_be_asked_for(log: Path) -> None:
    rows = Query(log, FEATURES).sql("SELECT context->>'$.k' AS k, reasons[1] AS reason FROM decisions LIMIT 1")
    assert rows.to_pylist() == [{"k": "1", "reason": "late"}]


def test_training_rows_are_plain_and_within_their_time(log: Path) -> None:
    rows = Query(log, FEATURES).training_rows(since=1.0, until=2.0)
    assert rows.to_pylist() == [
        {
            "temp": 20.5,
            "hour of day": 7,
            "weekend": True,
            "carrier": "UA",
            "label": True,
            "event_time": 1.0,
            "subject": "N725MQ",
        }
    ]
    assert Query(log, FEATURES).training_rows(since=1.5)["event_time"].to_pylist() == [2.0]
    assert Query(log, FEATURES).training_rows()["event_time"].to_pylist() == [1.0, 2.0]


def test_a_segment_half_sealed_is_counted_once(tmp_path: Path) -> None:
    name = written(tmp_path, decision("d1"), outcome("d1"))
    content = live_path(tmp_path, name).read_bytes()
    Sealer(tmp_path).seal()
    live_path(tmp_path, name).write_bytes(content)
    assert Query(tmp_path, FEATURES).sql("SELECT count(*) AS n FROM decisions").to_pylist() == [{"n": 1}]


@pytest.mark.parametrize("sealed", [True, False])
def test_features_declared_since_are_null_and_dropped_ones_gone(tmp_path: Path, sealed: bool) -> None:
    written(
        tmp_path,
        decision("d1", features=(3, 1.0)),
        columns=(FeatureColumn("temp", "integer"), FeatureColumn("old", "number")),
    )
    if sealed:
        Sealer(tmp_path).seal()
    rows = Query(tmp_path, FEATURES).sql("SELECT * FROM decisions")
    assert rows["x_temp"].to_pylist() == [3.0]
    assert rows["x_carrier"].to_pylist() == [None]
    assert "x_old" not in rows.column_names


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('{root}/sealed/decisions/*.parquet')",
        "SELECT * FROM parquet_metadata('{root}/sealed/decisions/*.parquet')",
        "SELECT * FROM a_table_in_this_process",
        "SELECT * FROM query('DROP VIEW decisions')",
        "COPY decisions TO '{root}/copy.csv'",
        "ATTACH '{root}/other.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "PRAGMA enable_external_access",
        "DROP VIEW decisions",
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1; DROP VIEW decisions",
        "EXPLAIN ANALYZE SELECT 1",
        "",
        "not sql",
        "SELECT nothing FROM decisions",
    ],
)
def test_user_sql_can_do_nothing_but_ask(log: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_module, "a_table_in_this_process", pa.table({"secret": [1]}), raising=False)
    before = sorted(log.rglob("*"))
    with pytest.raises(Invalid):
        Query(log, FEATURES).sql(text.format(root=log))
    assert sorted(log.rglob("*")) == before


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_a_query_without_end_is_stopped(log: Path, seconds: float) -> None:
    """Interrupted before it had begun to run, it went on for good, on a busy machine now and then."""
    endless = "SELECT count(*) FROM range(100000000000) AS a, range(1000000) AS b WHERE a.range % 7 = b.range % 5"
    with pytest.raises(Invalid, match="took longer than"):
        Query(log, FEATURES).sql(endless, timeout_seconds=seconds)


def test_an_answer_without_end_is_cut_short(log: Path) -> None:
    with pytest.raises(TooLarge, match="more than 1000 rows: add a LIMIT"):
        Query(log, FEATURES).sql("SELECT * FROM range(1000000000)", max_rows=1000)


def test_questions_at_the_same_time_do_not_see_each_others_logs(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One log is asked while the views over the other are being made."""
    written(tmp_path / "other", decision("x"))
    count = "SELECT count(*) AS n FROM decisions"
    views = "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY view_name"
    alone, known = Query(log, FEATURES).sql(count), Query(log, FEATURES).sql(views)
    between: list[list[dict[str, int]]] = []

    def asked_between(root: Path, dataset: Dataset, name: str) -> Path:
        if root == log:
            between.append(Query(tmp_path / "other", FEATURES).sql(count).to_pylist())
        return sealed_path(root, dataset, name)

    monkeypatch.setattr(query_module, "sealed_path", asked_between)
    assert Query(log, FEATURES).sql(count) == alone
    assert between == [[{"n": 1}]] * len(DATASETS)
    assert Query(tmp_path / "other", FEATURES).sql(views) == known
    assert query_module.database().sql(views).fetchall() == []


def test_a_database_that_is_good_for_nothing_any_more_is_replaced(log: Path) -> None:
    query_module.database().close()
    assert Query(log, FEATURES).sql("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_names_that_sql_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="upper and lower case"):
        Query(tmp_path, (Feature(name="Temp", type="number"), Feature(name="temp", type="number")))


def test_a_feature_named_like_a_training_column_is_refused(tmp_path: Path) -> None:
    query = Query(tmp_path, (Feature(name="Label", type="number"),))
    with pytest.raises(Invalid, match="rename it"):
        query.training_rows()
    assert query.sql("SELECT x_Label FROM decisions").num_rows == 0


@pytest.mark.parametrize("sealed", [False, True])
def test_what_policy_denied_has_a_view_of_its_own_and_is_never_learnt_from(tmp_path: Path, sealed: bool) -> None:
    denied = msgspec.structs.replace(decision("b"), arm=DENIED, verdict="deny", action="", policies=("purpose",))
    refused = msgspec.structs.replace(denied, decision_id="c", version=0, prediction=None)
    written(tmp_path, decision("a"), denied, refused, *map(outcome, "abc"))
    if sealed:
        Sealer(tmp_path).seal()
    query = Query(tmp_path, FEATURES)
    for view, ids in (("decisions", ["a"]), ("denials", ["b", "c"]), ("asked", ["a", "b", "c"]), ("labelled", ["a"])):
        found = query.sql(f"SELECT decision_id FROM {view} ORDER BY 1")
        assert found["decision_id"].to_pylist() == ids
    assert query.training_rows().num_rows == 1
    assert query.sql("SELECT prediction, policies FROM denials ORDER BY decision_id").to_pylist() == [
        {"prediction": 0.7, "policies": ["purpose"]},
        {"prediction": None, "policies": ["purpose"]},
    ]
