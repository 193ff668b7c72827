import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.worlds.log.vault import open_vault
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.read.revealed import RevealedLog
from windvane.cluster.decision_log.record import Decision, Outcome
from windvane.cluster.decision_log.vault.personal import Protection
from windvane.cluster.decision_log.write.segment import header_for
from windvane.cluster.decision_log.write.writer import Writer
from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.pipeline.protected_log import ProtectedLog
from windvane.training.rows.examples import encode, label_delay
from windvane.training.rows.holdout_split import holdout_start
from windvane.training.rows.labelled_rows import gather, gather_from

CSV = "asked_at,customer,income,bad\n2024-01-03,c,3,1\n2024-01-01,a,1,0\n2024-01-02,b,2,1\n2024-02-01,d,4,0\n"


def loans(folder: Path, csv: str = CSV, training: dict[str, Any] | None = None, **data: Any) -> ModelSpec:
    (folder / "loans.csv").write_text(csv)
    return ModelSpec.model_validate(
        {
            "name": "loans",
            "owner": "credit",
            "unit": "customer",
            "target": {"name": "bad"},
            "features": [{"name": "income", "type": "number", "missing": True}],
            "data": {"source": str(folder / "loans.csv"), "time": "asked_at", "subject": "customer", **data},
            "decision": {"actions": [{"name": "grant", "at_least": 0.0}]},
            "training": training or {},
        }
    )


class Log:
    """A decision log that holds what the test says was served and came true."""

    def __init__(self, *rows: tuple[str, float | None, bool]) -> None:
        self._rows = rows

    def training_rows(self, since: float | None, until: float | None) -> pa.Table:
        at = [datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() for day, _, _ in self._rows]
        keep = [i for i, moment in enumerate(at) if until is None or moment < until]
        return pa.table(
            {
                "income": pa.array([self._rows[i][1] for i in keep], pa.float64()),
                "label": pa.array([self._rows[i][2] for i in keep], pa.bool_()),
                "event_time": pa.array([at[i] for i in keep], pa.float64()),
                "subject": pa.array(["z"] * len(keep), pa.string()),
            }
        )


def moment(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def test_rows_come_in_the_order_of_their_event_time(tmp_path: Path) -> None:
    examples = gather(loans(tmp_path))
    assert examples.rows[:, 0].tolist() == [1, 2, 3, 4]
    assert examples.labels.tolist() == [False, True, True, False]
    assert examples.times[0] == moment("2024-01-01").timestamp()


def test_base_rows_end_where_the_log_takes_over(tmp_path: Path) -> None:
    spec = loans(tmp_path, until="2024-01-03")
    examples = gather(spec, log=Log(("2024-03-01", None, True), ("2024-02-01", 8.0, False)))
    assert examples.rows[:2, 0].tolist() == [1, 2]
    assert examples.rows[2, 0] == 8
    assert np.isnan(examples.rows[3, 0])
    assert examples.table.column("customer").to_pylist() == ["a", "b", "z", "z"]


def test_nothing_from_until_on_is_learnt(tmp_path: Path) -> None:
    examples = gather(loans(tmp_path), moment("2024-01-03"), Log(("2024-01-02", 9.0, True), ("2024-01-03", 9.0, True)))
    assert examples.rows[:, 0].tolist() == [1, 2, 9]


def test_logged_decisions_come_back_with_the_bits_that_were_served(tmp_path: Path) -> None:
    spec = loans(tmp_path, until="2024-01-03")
    decision = Decision("d1", 1.0, moment("2024-05-01").timestamp(), 1, "champion", 1, "s", 1, (0.1,), 0.5, "grant")

    async def serve() -> None:
        writer = Writer(tmp_path / "log", header_for("loans", "w", spec.features), asyncio.get_running_loop())
        writer.append(decision)
        writer.append(Outcome("d1", 2.0, True))
        await writer.commit()
        writer.close()

    asyncio.run(serve())
    examples = gather(spec, log=Query(tmp_path / "log", spec.features))
    assert examples.rows[-1, 0] == np.float32(0.1)
    assert examples.labels[-1]
    assert examples.times[-1] == moment("2024-05-01").timestamp()


def test_outcomes_are_true_or_false_whatever_the_base_data_calls_them(tmp_path: Path) -> None:
    words = "asked_at,customer,income,bad\n2024-01-01,a,1,no\n2024-01-02,b,2,yes\n"
    spec = loans(tmp_path, words)
    spec = spec.model_copy(update={"target": spec.target.model_copy(update={"positive": "yes"})})
    examples = gather(spec, log=Log(("2024-02-01", 3.0, True), ("2024-02-02", 4.0, False)))
    assert examples.labels.tolist() == [False, True, True, False]


def test_another_source_is_read_alone(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("asked_at,customer,income,bad\n2024-01-09,x,70,1\n2024-01-08,x,60,0\n")
    assert gather_from(loans(tmp_path), str(tmp_path / "other.csv")).rows[:, 0].tolist() == [60, 70]
    with pytest.raises(Invalid, match="--source python:nothing"):
        gather_from(loans(tmp_path), "python:nothing")


def test_windows_and_cuts_share_their_border(tmp_path: Path) -> None:
    examples = gather(loans(tmp_path))
    cut = moment("2024-01-03").timestamp()
    assert examples.before(cut).rows[:, 0].tolist() == [1, 2]
    assert examples.since(cut).rows[:, 0].tolist() == [3, 4]
    assert examples.window(timedelta(days=29)).rows[:, 0].tolist() == [3, 4]
    assert examples.window(None) is examples


def test_the_digest_changes_with_any_value_label_or_time(tmp_path: Path) -> None:
    digests = {
        gather(loans(tmp_path, csv)).digest()
        for csv in (
            CSV,
            CSV.replace("c,3,1", "c,3,0"),
            CSV.replace("c,3", "c,5"),
            CSV.replace("2024-02-01", "2024-02-02"),
        )
    }
    assert len(digests) == 4
    assert gather(loans(tmp_path)).digest() in digests


def test_the_holdout_is_the_newest_span_or_share(tmp_path: Path) -> None:
    days = [(moment("2024-01-01") + timedelta(days=i)).date().isoformat() for i in range(100)]
    csv = "asked_at,customer,income,bad\n" + "".join(f"{day},a,{i},{i % 2}\n" for i, day in enumerate(days))
    by_span = gather(loans(tmp_path, csv, {"holdout": "14d"}))
    assert len(by_span.since(holdout_start(by_span, loans(tmp_path, csv, {"holdout": "14d"})))) == 15
    assert len(by_span.since(holdout_start(by_span, loans(tmp_path, csv, {"holdout_share": 0.3})))) == 30
    with pytest.raises(Invalid, match=r"shorten training\.holdout"):
        holdout_start(by_span, loans(tmp_path, csv, {"holdout": "80d"}))


def test_rows_without_a_clock_are_drawn_the_same_way_every_time_and_logged_ones_come_last(tmp_path: Path) -> None:
    spec = loans(tmp_path, time=None)
    examples = gather(spec)
    assert sorted(examples.rows[:, 0].tolist()) == [1, 2, 3, 4]
    assert 0 <= examples.times[0] < examples.times[-1] < 1
    assert gather(spec).digest() == examples.digest()
    later = gather(spec, log=Log(("2024-03-01", 7.0, True), ("2024-02-01", 8.0, False)))
    assert later.rows[:, 0].tolist() == [*examples.rows[:, 0].tolist(), 8, 7]
    assert later.times[-1] == moment("2024-03-01").timestamp()


def test_one_sided_and_absent_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="'bad' is True in all 1 rows"):
        gather(loans(tmp_path, "asked_at,customer,income,bad\n2024-01-03,c,3,1\n"))
    with pytest.raises(Invalid, match="no labelled rows"):
        gather(loans(tmp_path, until="2023-01-01"))


def test_encoding_leaves_the_table_beside_the_rows_it_became(tmp_path: Path) -> None:
    table = pa.table(
        {"income": [2.0, 1.0], "bad": [True, False], "asked_at": pa.array([5, 3], pa.timestamp("us", "UTC"))}
    )
    examples = encode(table, loans(tmp_path, subject=None))
    assert examples.table.column("income").to_pylist() == examples.rows[:, 0].tolist() == [1, 2]


def served(folder: Path, spec: ModelSpec, *subjects: str) -> None:
    """One decision about each of the subjects, income 10, 11, …, logged as a replica does, and its outcome."""

    async def serve() -> None:
        loop, vault = asyncio.get_running_loop(), open_vault(folder)
        writer = Writer(folder / "log", header_for("loans", "w", spec.features), loop, write_ahead=vault)
        log = ProtectedLog(writer, Protection(vault, spec.features))
        for place, subject in enumerate(subjects):
            at = moment("2024-05-01").timestamp() + place
            log.append(Decision(f"d{place}", at, at, 1, "champion", 1, subject, 1, (10.0 + place,), 0.5, "grant"))
            log.append(Outcome(f"d{place}", at, True))
        await log.commit()
        await asyncio.to_thread(writer.close)

    asyncio.run(serve())


def learnt(folder: Path, spec: ModelSpec) -> list[tuple[float, str]]:
    """Income and subject of every row that the next training would learn from."""
    vault = open_vault(folder)
    log = RevealedLog(Query(folder / "log", spec.features), vault, spec.features)
    examples = gather(spec, None, log, vault)
    assert examples.rows[:, 0].tolist() == examples.table["income"].to_pylist()
    names = {vault.hash(name): name for name in ("a", "b", "c", "d", "e")}
    subjects = [names[each] for each in examples.table["customer"].to_pylist()]
    return list(zip(examples.table["income"].to_pylist(), subjects, strict=True))


@pytest.mark.parametrize("personal", [False, True])
def test_of_an_erased_subject_no_row_is_learnt_from_wherever_it_came_from(tmp_path: Path, personal: bool) -> None:
    spec = loans(tmp_path)
    spec = spec.model_copy(
        update={"features": (spec.features[0].model_copy(update={"personal": personal}),), "name": "loans"}
    )
    served(tmp_path, spec, "a", "e", "b", "a")
    base = [(1.0, "a"), (2.0, "b"), (3.0, "c"), (4.0, "d")]
    assert learnt(tmp_path, spec) == [*base, (10.0, "a"), (11.0, "e"), (12.0, "b"), (13.0, "a")]
    open_vault(tmp_path).erase("a", 1.0)
    assert learnt(tmp_path, spec) == [*base[1:], (11.0, "e"), (12.0, "b")]


def test_what_versions_are_audited_by_is_read_beside_the_features_and_never_learnt(tmp_path: Path) -> None:
    words = "asked_at,customer,income,bad,race\n2024-01-01,a,1,0,white\n2024-01-02,b,2,1,\n2024-01-03,c,3,1,black\n"
    plain = loans(tmp_path, words)
    race = {"name": "race", "type": "category", "categories": ["white", "black"], "missing": True}
    spec = ModelSpec.model_validate({**plain.model_dump(mode="json"), "audit": [race]})
    log = Log(("2024-02-01", 4.0, True))
    found = gather(spec, log=log)
    assert found.table.column("race").to_pylist() == ["white", None, "black", None]
    assert found.digest() == gather(plain, log=log).digest()
    (tmp_path / "other.csv").write_text(CSV)
    assert "race" not in gather_from(spec, str(tmp_path / "other.csv")).table.column_names
    strict = ModelSpec.model_validate({**spec.model_dump(mode="json"), "audit": [race | {"missing": False}]})
    with pytest.raises(Invalid, match="Column 'race', row 2: the value is missing; say `missing: true`"):
        gather(strict)


KNOWN = (
    "asked_at,customer,income,bad,told_at\n2024-01-01,a,1,0,2024-01-31\n2024-01-02,b,2,1,2024-01-04\n"
    "2024-01-03,c,3,1,2024-01-05\n2024-01-20,d,4,0,2024-02-19\n"
)


def test_a_label_that_was_not_known_yet_is_not_learnt_from(tmp_path: Path) -> None:
    spec = loans(tmp_path, KNOWN, known="told_at")
    assert gather(spec, moment("2024-02-01")).rows[:, 0].tolist() == [1, 2, 3]
    assert len(gather(spec)) == 4


def test_what_the_log_has_seen_is_known(tmp_path: Path) -> None:
    examples = gather(loans(tmp_path, KNOWN, known="told_at"), moment("2024-02-01"), Log(("2024-01-25", 9.0, True)))
    assert examples.rows[:, 0].tolist() == [1, 2, 3, 9]


def test_labels_take_as_long_as_the_slower_class(tmp_path: Path) -> None:
    spec = loans(tmp_path, KNOWN, known="told_at")
    assert label_delay(spec, gather(spec)) == 30 * 86_400.0
    assert label_delay(loans(tmp_path), gather(loans(tmp_path))) is None


def test_a_file_sorted_by_site_is_doubted_where_rows_have_no_time(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    sites = np.repeat(np.arange(20), 100)
    bad = random.random(2000) < 0.1 + 0.03 * sites
    rows = [
        f"2024-01-01,c{place},{income:.3f},{int(true)}\n"
        for place, (income, true) in enumerate(zip(random.normal(size=2000), bad, strict=True))
    ]
    header = CSV.partition("\n")[0] + "\n"
    found = gather(loans(tmp_path, header + "".join(rows), time=None))
    assert found.doubt == "the share of true rows drifts along the file, from 8.5 % to 64.5 % in tenths of it"
    assert gather(loans(tmp_path, header + "".join(rows))).doubt is None, "whose times say what is newer"
    random.shuffle(rows)
    assert gather(loans(tmp_path, header + "".join(rows), time=None)).doubt is None


def test_decisions_from_before_a_feature_was_declared_are_left_out_and_told(tmp_path: Path) -> None:
    """Training failed with "Column 'income', row 1", and no row 1 of the file lacked it."""
    served = Log(("2024-03-01", None, True), ("2024-03-02", 8.0, False), ("2024-03-03", None, False))
    spec = loans(tmp_path)
    assert gather(spec, log=served).left_out is None, "where it may be missing all are learnt from"
    strict = spec.model_copy(update={"features": (spec.features[0].model_copy(update={"missing": False}),)})
    examples = gather(strict, log=served)
    assert examples.rows[-1, 0] == 8.0
    assert len(examples) == 5
    assert examples.left_out is not None
    assert examples.left_out.startswith("2 of 3 decisions on the log have no income, which may not be missing")


def test_of_a_log_without_a_decision_none_is_left_out(tmp_path: Path) -> None:
    """Every first training warned: 0 of 0 decisions on the log have no income."""
    spec = loans(tmp_path)
    strict = spec.model_copy(update={"features": (spec.features[0].model_copy(update={"missing": False}),)})
    assert gather(strict, log=Log()).left_out is None
