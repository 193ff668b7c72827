"""Questions to the log: DuckDB over sealed Parquet and what is still live, shut off from everything else."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.dataset as ds

from windvane.cluster.decision_log.read.columns import DATASETS, Dataset, Table, conform, rows, schema, table
from windvane.cluster.decision_log.read.selection import Selection
from windvane.cluster.decision_log.write.segment import (
    FeatureColumn,
    live_names,
    live_path,
    read_header,
    scan,
    sealed_path,
)
from windvane.cluster.errors import Invalid, TooLarge
from windvane.configs.schema import Feature

_VIEWS = """
CREATE TEMP VIEW asked AS FROM sealed_decisions UNION ALL FROM live_decisions;
CREATE TEMP VIEW decisions AS FROM asked WHERE coalesce(verdict, 'allow') <> 'deny';
CREATE TEMP VIEW denials AS FROM asked WHERE verdict = 'deny';
CREATE TEMP VIEW outcomes AS FROM sealed_outcomes UNION ALL FROM live_outcomes;
CREATE TEMP VIEW acts AS FROM sealed_acts UNION ALL FROM live_acts;
CREATE TEMP VIEW shadows AS
  SELECT recorded_at, version, unnest(decision_ids) AS decision_id, unnest(predictions) AS prediction
  FROM (FROM sealed_shadows UNION ALL FROM live_shadows);
CREATE TEMP VIEW labelled AS
  SELECT decisions.*, known.label, known.label_at, known.kpis
  FROM decisions
  JOIN (
    SELECT decision_id, arg_max(label, recorded_at) FILTER (label IS NOT NULL) AS label,
           max(recorded_at) FILTER (label IS NOT NULL) AS label_at,
           arg_max(kpis, recorded_at) FILTER (cardinality(kpis) > 0) AS kpis
    FROM outcomes GROUP BY decision_id
  ) AS known USING (decision_id)
  WHERE known.label IS NOT NULL
  QUALIFY row_number() OVER (PARTITION BY decision_id ORDER BY recorded_at) = 1;
"""
_SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "temp_directory": "",
    "memory_limit": "1GB",  # of all questions together
    "threads": "2",
}
_SHUT = "SET python_enable_replacements = false; SET enable_external_access = false; SET lock_configuration = true"
NAME, MESSAGE = "#decision", "#personal"  # columns that no feature can be called
AGAIN_SECONDS = 0.1  # until a question that goes on although it was interrupted is interrupted once more
_TRAINING_COLUMNS = ("label", "event_time", "subject")


class Query:
    """Asks the log under `root`; every call sees everything that was committed before it.

    Views: `decisions` (features as `x_<name>`), `denials` (what policy did not let be answered), `asked` (both of
    them), `outcomes`, `shadows` (one row per decision and version), `labelled` (each decision once, with its newest
    label) and `acts` (who did what). Times are Unix seconds.
    """

    def __init__(self, root: Path, features: Sequence[Feature | FeatureColumn]) -> None:
        """`features` as declared today; columns that older records lack are null."""
        folded = [feature.name.casefold() for feature in features]
        if len(set(folded)) != len(folded):
            raise Invalid("two features differ only in upper and lower case, which SQL cannot tell apart: rename one")
        self._root = root
        self._features = tuple(FeatureColumn(feature.name, feature.type) for feature in features)

    def sql(self, text: str, *, timeout_seconds: float = 30.0, max_rows: int = 1_000_000) -> Table:
        """The answer to one SELECT over the views; raises Invalid for anything else and when it takes too long."""
        with self._connected() as connection:
            return _answer(connection, text, timeout_seconds, max_rows)

    def select(self, wanted: Selection, *, timeout_seconds: float = 30.0) -> Table:
        """The decisions that are wanted; raises Invalid."""
        text, parameters = wanted.sql()
        with self._connected() as connection:
            return _answer(connection, text, timeout_seconds, wanted.limit, parameters)

    def training_rows(self, since: float | None = None, until: float | None = None, *, messages: bool = False) -> Table:
        """Labelled decisions with event time in [since, until): features by plain name, label, event_time, subject.

        With `messages` also what is encrypted and the decision that it is about, as `MESSAGE` and `NAME`.
        """
        taken = [column.name for column in self._features if column.name.casefold() in _TRAINING_COLUMNS]
        if taken:
            raise Invalid(f"feature {taken[0]!r} has the name of a column that training rows have: rename it")
        # The names come from the declaration, which allows no quotation marks.
        columns = [f'"x_{column.name}" AS "{column.name}"' for column in self._features]
        more = (f'decision_id AS "{NAME}"', f'personal AS "{MESSAGE}"') if messages else ()
        text = f"""SELECT {", ".join((*columns, *_TRAINING_COLUMNS, *more))} FROM labelled
                   WHERE ($since IS NULL OR event_time >= $since) AND ($until IS NULL OR event_time < $until)
                   ORDER BY event_time, decision_id"""  # noqa: S608
        with self._connected() as connection:
            return connection.sql(text, params={"since": since, "until": until}).to_arrow_table()

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """A connection with the views, which no other sees, and that reaches nothing else: no file or setting."""
        live = self._live()  # before the sealed files: what is sealed in between is then in both, and counted as live
        connection = _connection()
        try:
            for dataset in DATASETS:
                names = schema(dataset, self._features, trace=False)
                found = [
                    conform(part, dataset, self._features) for segment in live.values() for part in segment[dataset]
                ]
                connection.register(f"live_{dataset}", pa.concat_tables([names.empty_table(), *found]))
                folder = sealed_path(self._root, dataset, "").parent
                paths = sorted(str(path) for path in folder.glob("[!.]*.parquet") if path.stem not in live)
                sealed = ds.dataset(paths, schema=names, format="parquet") if paths else names.empty_table()
                connection.register(f"sealed_{dataset}", sealed)
            connection.execute(_VIEWS)
            yield connection
        finally:
            connection.close()

    def _live(self) -> dict[str, dict[Dataset, list[Table]]]:
        """Tables of each segment that is not sealed yet."""
        segments: dict[str, dict[Dataset, list[Table]]] = {}
        for name in live_names(self._root):
            try:
                content = live_path(self._root, name).read_bytes()
            except FileNotFoundError:  # sealed since the listing, and found there
                continue
            segments[name] = {dataset: [] for dataset in DATASETS}
            found = read_header(content, name)
            if found is None:
                continue
            try:
                by_dataset = rows(scan(content, found[1])[0])
            except msgspec.DecodeError as error:
                raise Invalid(
                    f"segment {name} holds a record this Windvane does not know: {error}; update it"
                ) from error
            for dataset, records in by_dataset.items():
                segments[name][dataset].append(table(dataset, records, found[0].features))
        return segments


@cache
def database() -> Any:
    """The process's only DuckDB, empty and shut off: to open another for every question would take most of its time."""
    opened = duckdb.connect(":memory:", config=_SETTINGS)
    opened.execute(_SHUT)
    return opened


def _connection() -> Any:
    try:
        connection = database().cursor()
        connection.execute("SELECT 1").fetchall()
    except duckdb.Error:  # what is fatal to one question leaves the database good for nothing
        database.cache_clear()
        connection = database().cursor()
    return connection


@contextmanager
def _limited(connection: Any, seconds: float) -> Iterator[None]:
    """Interrupt what is asked in the block once the time is over, again and again until it has ended.

    DuckDB forgets an interrupt that comes before the question has begun to run, as it does on a busy machine.
    """
    ended = Event()

    def interrupt() -> None:
        wait = seconds
        while not ended.wait(wait):
            connection.interrupt()
            wait = AGAIN_SECONDS

    thread = Thread(target=interrupt, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _answer(
    connection: Any, text: str, timeout_seconds: float, max_rows: int, parameters: Mapping[str, Any] | None = None
) -> Table:
    try:
        statements = connection.extract_statements(text)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise Invalid("the log answers exactly one SELECT: it cannot be changed from here")
        with _limited(connection, timeout_seconds):
            reader = connection.sql(text, params=parameters).to_arrow_reader(65_536)
            batches: list[Any] = []
            for batch in reader:
                batches.append(batch)
                if sum(map(len, batches)) > max_rows:
                    raise TooLarge(f"the answer has more than {max_rows} rows: add a LIMIT or aggregate")
            return pa.Table.from_batches(batches, schema=reader.schema)
    except duckdb.InterruptException as error:
        raise Invalid(f"the query took longer than {timeout_seconds:g} s: ask for less") from error
    except (duckdb.Error, pa.ArrowException) as error:
        raise Invalid(f"the query cannot be answered: {error}") from error
