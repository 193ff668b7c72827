"""Words the events that a watcher tells: breaches by window, broken promises, assessments. All pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

from windvane.monitoring.findings import Finding
from windvane.monitoring.loop.assess import Assessment
from windvane.monitoring.loop.promises import Alarm
from windvane.monitoring.loop.triggers import Circumstances
from windvane.monitoring.notices import Notice

_NAMED = 3  # breaches a sentence names


def window_notices(worst: Sequence[Finding], now: datetime) -> tuple[Notice, ...]:
    """One event for each window and kind of breach, naming the worst."""
    by_window = sorted(worst, key=lambda finding: (finding.window, finding.kind))  # stable: worst stay first
    return tuple(
        finding_notice(list(group), now)
        for _, group in groupby(by_window, key=lambda finding: (finding.window, finding.kind))
    )


def finding_notice(group: Sequence[Finding], now: datetime) -> Notice:
    """The event of one kind of breach in one window; the worst comes first."""
    worst = group[0]
    named = "; ".join(finding.sentence() for finding in group[:_NAMED])
    more = f"; and {len(group) - _NAMED} more" if len(group) > _NAMED else ""
    return Notice(
        key=f"finding:{worst.version}:{worst.window}:{worst.kind}",
        at=now,
        kind="finding",
        version=worst.version,
        detail=named + more,
        event_time=datetime.fromtimestamp(worst.window_end, UTC),
        facts={
            "breaches": len(group),
            "monitor": worst.monitor,
            "subject": worst.subject,
            "value": worst.value,
            "limit": worst.limit,
            "severity": worst.severity,
            "sample": worst.sample,
        },
    )


def alarm_notice(broken: Alarm, why: str, champion: int, seen: Circumstances) -> Notice:
    """The event that a broken promise asks for a retraining."""
    return Notice(
        key=f"assessment:{champion}:{broken.newest.window}:loses",
        at=seen.wall,
        kind="assessment",
        version=champion,
        detail=f"{why}: a retraining is asked for",
        event_time=datetime.fromtimestamp(seen.clock, UTC),
        facts={
            "verdict": "loses",
            "monitor": broken.name,
            "labels": broken.rows,
            "value": broken.newest.deviation(broken.promise),
            "limit": broken.limit,
            "cost": broken.cost(),
            "windows": broken.windows,
        },
    )


def assessment_notice(verdict: Assessment, findings: Sequence[Finding], champion: int, seen: Circumstances) -> Notice:
    """The event of what came of looking whether drift costs."""
    newest = max(finding.window for finding in findings)
    return Notice(
        key=f"assessment:{champion}:{newest}:{verdict.verdict}",
        at=seen.wall,
        kind="assessment",
        version=champion,
        detail=verdict.sentence,
        event_time=datetime.fromtimestamp(seen.clock, UTC),
        facts={
            "verdict": verdict.verdict,
            "labels": verdict.n,
            "auc_drop": verdict.auc_drop[1] if verdict.auc_drop else None,
            "brier_rise": verdict.brier_rise[1] if verdict.brier_rise else None,
        },
    )
