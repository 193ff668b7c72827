"""Report of the demo: report.json and report.html, every figure read back from the run's own records."""

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from windvane.cluster.decision_log.read.query import Query
from windvane.training.evaluate.evaluate import auc

KINDS = (
    "finding",
    "assessment",
    "retrain_requested",
    "job_submitted",
    "job_succeeded",
    "job_failed",
    "registered",
    "phase",
    "verdict",
    "promoted",
    "rolled_back",
)
SERVED = """
select d.decision_id, d.recorded_at as at, d.event_time, d.version, d.prediction, s.prediction as frozen, o.label
from decisions d
left join (
  select decision_id, any_value(prediction) as prediction from shadows where version = FROZEN group by decision_id
) s using (decision_id)
left join (select decision_id, any_value(label) as label from outcomes group by decision_id) o using (decision_id)
"""
COLOURS = ("#8c8c8c", "#d1495b", "#2a6f97", "#edae49", "#3c8d5a", "#7b5ea7", "#66a5ad")


def build(
    query: Query,
    events: Sequence[Mapping[str, Any]],
    versions: Sequence[Mapping[str, Any]],
    frozen: int,
    defective: int | None,
) -> dict[str, Any]:
    """The report without the figures only the demo itself knows (seconds, failed requests)."""
    served = query.sql(SERVED.replace("FROZEN", str(int(frozen))))
    return {
        "decisions": served.num_rows,
        "versions": [_version(each, events) for each in versions],
        "events": [
            {key: event[key] for key in ("at", "event_time", "kind", "model", "version", "detail")}
            for event in events
            if event["kind"] in KINDS
        ],
        "monthly": monthly(served, frozen),
        "rollback": rollback(served, events, defective),
        "traffic": traffic(served),
    }


def monthly(served: pa.Table, frozen: int) -> list[dict[str, Any]]:
    """AUC and Brier score by month, same flights: what Windvane answered, what version `frozen` would have."""
    months = _strings(served["event_time"], "%Y-%m")
    label = served["label"].to_numpy(zero_copy_only=False)
    answered = served["prediction"].to_numpy(zero_copy_only=False).astype(float)
    version = served["version"].to_numpy(zero_copy_only=False)
    shadow = served["frozen"].to_numpy(zero_copy_only=False).astype(float)
    never_retrained = np.where(version == frozen, answered, shadow)
    known = np.array([value is not None for value in label]) & np.isfinite(never_retrained)
    found = []
    for month in sorted(set(months[known])):
        rows = known & (months == month)
        truth = label[rows].astype(bool)
        if truth.min() == truth.max():
            continue
        found.append(
            {
                "month": str(month),
                "n": int(rows.sum()),
                "auc_frozen": auc(truth, never_retrained[rows]),
                "auc_windvane": auc(truth, answered[rows]),
                "brier_frozen": float(np.mean((never_retrained[rows] - truth) ** 2)),
                "brier_windvane": float(np.mean((answered[rows] - truth) ** 2)),
            }
        )
    return found


def rollback(served: pa.Table, events: Sequence[Mapping[str, Any]], version: int | None) -> dict[str, Any] | None:
    """From the FAIL verdict on that version to the last request that it answered, in milliseconds."""
    back = [event for event in events if event["kind"] == "rolled_back" and event["version"] == version]
    if not back:
        return None
    measured = [event["facts"].get("rolled_back_in_ms") for event in events if event["version"] == version]
    verdict_at = datetime.fromisoformat(back[-1]["at"]).timestamp()  # the event carries the verdict's moment
    answered = _seconds(served["at"])[served["version"].to_numpy(zero_copy_only=False) == version]
    last_ms = round(max(0.0, float(answered.max()) - verdict_at) * 1000, 1) if len(answered) else None
    return {
        "version": version,
        "candidate_requests": len(answered),
        "verdict_to_last_candidate_request_ms": last_ms,
        "verdict_to_every_replica_ms": next((value for value in reversed(measured) if value is not None), None),
    }


def traffic(served: pa.Table) -> list[dict[str, Any]]:
    """Decisions by day of the model's clock and version."""
    days = _strings(served["event_time"], "%Y-%m-%d")
    versions = served["version"].to_numpy(zero_copy_only=False)
    pairs, counts = np.unique(np.rec.fromarrays([days, versions]), return_counts=True)
    return [
        {"day": str(day), "version": int(version), "decisions": int(count)}
        for (day, version), count in zip(pairs.tolist(), counts.tolist(), strict=True)
    ]


def write(report: Mapping[str, Any], folder: Path) -> None:
    """report.json and a report.html that needs nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=1))
    (folder / "report.html").write_text(page(report))


def page(report: Mapping[str, Any]) -> str:
    """The report as one HTML page with its pictures inside."""
    rows = "".join(
        f"<tr><td>{html.escape(event['at'][11:19])}</td><td>{html.escape((event['event_time'] or '')[:10])}</td>"
        f"<td class='{event['kind']}'>{event['kind']}</td><td>{event['version'] or ''}</td>"
        f"<td>{html.escape(event['detail'])}</td></tr>"
        for event in report["events"]
    )
    versions = "".join(
        f"<tr><td>{each['version']}</td><td>{html.escape(each['reason'])}</td>"
        f"<td>{html.escape(each['registered_at'][:19])}</td><td>{html.escape(each['outcome'])}</td></tr>"
        for each in report["versions"]
    )
    facts = (
        f"{report['decisions']:,} decisions · {report['failed_requests']} failed requests · "
        f"{report['seconds']:.0f} s · {way_back(report['rollback'])}"
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Windvane demo</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
img {{ width: 100% }} table {{ border-collapse: collapse; width: 100%; font-size: 13px }}
td, th {{ text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }}
.promoted {{ color: #2d7d46; font-weight: 600 }} .rolled_back {{ color: #b3303f; font-weight: 600 }}
.finding, .assessment {{ color: #96690b }} .phase, .verdict {{ color: #2a6f97 }}
</style></head><body>
<h1>Ten months of flights, steered by Windvane</h1><p>{facts}</p>
<h2>Never retrained against Windvane, same flights</h2>
<img alt="AUC and Brier score by month" src="{_png(_by_month(report))}">
<h2>Who answered</h2><img alt="traffic share of each version" src="{_png(_shares(report))}">
<h2>Versions</h2><table><tr><th>version</th><th>why</th><th>registered</th><th>outcome</th></tr>{versions}</table>
<h2>Every event</h2>
<table><tr><th>at</th><th>flight day</th><th>event</th><th>version</th><th>why</th></tr>{rows}</table>
</body></html>
"""


def way_back(back: Mapping[str, Any] | None) -> str:
    """Time in which the defective version was taken back, in words."""
    if back is None:
        return "nothing was rolled back"
    last_ms, everywhere_ms = back["verdict_to_last_candidate_request_ms"], back["verdict_to_every_replica_ms"]
    last = "it had answered nothing" if last_ms is None else f"{last_ms} ms from the verdict to its last answer"
    everywhere = "" if everywhere_ms is None else f", {everywhere_ms:.0f} ms until every replica had the split back"
    return f"v{back['version']} rolled back: {last}{everywhere}"


def _by_month(report: Mapping[str, Any]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    months = [row["month"] for row in report["monthly"]]
    for axes, measure, better in zip(figure.subplots(1, 2), ("auc", "brier"), ("higher", "lower"), strict=True):
        for who, colour, label in (
            ("frozen", COLOURS[0], "never retrained"),
            ("windvane", COLOURS[2], "Windvane"),
        ):
            values = [row[f"{measure}_{who}"] for row in report["monthly"]]
            axes.plot(months, values, "o-", color=colour, label=label)
        for event in report["events"]:
            month = (event["event_time"] or "")[:7]
            if event["kind"] == "promoted" and month in months:
                axes.axvline(
                    months.index(month), color=COLOURS[4], linestyle=":", label=f"v{event['version']} promoted"
                )
        axes.set_title(f"{'AUC' if measure == 'auc' else 'Brier score'} ({better} is better)", fontsize=10)
        axes.tick_params(axis="x", rotation=45, labelsize=8)
        axes.legend(fontsize=8, frameon=False)
    return figure


def _shares(report: Mapping[str, Any]) -> Any:
    from matplotlib.figure import Figure

    days = sorted({row["day"] for row in report["traffic"]})
    versions = sorted({row["version"] for row in report["traffic"]})
    counts = np.zeros((len(versions), len(days)))
    for row in report["traffic"]:
        counts[versions.index(row["version"]), days.index(row["day"])] = row["decisions"]
    shares = counts / counts.sum(axis=0)
    figure = Figure(figsize=(11, 2.8), layout="constrained")
    axes = figure.subplots()
    colours = [COLOURS[index % len(COLOURS)] for index in range(len(versions))]
    axes.stackplot(range(len(days)), shares, labels=[f"v{each}" for each in versions], colors=colours)
    ticks = [index for index, day in enumerate(days) if day.endswith("-01")]
    axes.set_xticks(ticks, [days[index][:7] for index in ticks], fontsize=8)
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of decisions")
    axes.legend(loc="upper left", fontsize=8, ncols=len(versions))
    return figure


def _png(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _version(version: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A version with what became of it: the last word the loop said."""
    words = [event["kind"] for event in events if event["version"] == version["number"]]
    outcome = next((word for word in reversed(words) if word in ("promoted", "rolled_back")), version["standing"])
    return {
        "version": version["number"],
        "reason": version["reason"],
        "registered_at": version["created_at"],
        "outcome": outcome,
    }


def _seconds(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(float)
    return values


def _strings(column: pa.ChunkedArray, form: str) -> NDArray[np.str_]:
    """Unix seconds as text in UTC, one strftime per distinct hour."""
    hours = (_seconds(column) // 3600).astype(np.int64)
    distinct, places = np.unique(hours, return_inverse=True)
    texts = np.array([datetime.fromtimestamp(int(hour) * 3600, UTC).strftime(form) for hour in distinct])
    return texts[places]
