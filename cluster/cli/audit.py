"""For auditors: whether the log is what was written, and the proof of one decision."""

import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from windvane.cluster.audit_paths import AuditPaths, StoreWitness
from windvane.cluster.cli.read_audit import tell_of
from windvane.cluster.decision_log.audit.checkpoint import Witnessed
from windvane.cluster.decision_log.audit.verify import VerifyReport, Witnesses
from windvane.cluster.decision_log.audit.verify import verify as verify_logs
from windvane.cluster.decision_log.vault.key_file import public_key
from windvane.cluster.errors import WindvaneError
from windvane.configs.load import load_settings

_LATE_SECONDS = 600.0  # for a first checkpoint; control signs one a minute
_TIMES = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])


@click.group()
def audit() -> None:
    """Check the decision log, and prove what stands in it."""


@audit.command()
@click.option("--from", "since", type=_TIMES, help="Only segments that may hold records since then (UTC).")
@click.option("--to", "until", type=_TIMES, help="Only segments opened before then (UTC).")
@click.option(
    "--key",
    "keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A public key that may have signed, as you know it from elsewhere; else this Windvane's own are believed.",
)
def verify(since: datetime | None, until: datetime | None, keys: tuple[Path, ...]) -> None:
    """Find every record that was changed, dropped, moved or put in; exits with 1 when there is one."""
    settings = load_settings()
    paths = AuditPaths(settings)
    known = [public_key(path) for path in keys] or paths.public_keys()
    started = time.perf_counter()
    witnesses = Witnesses(paths.copy, _witnessed(settings.store_url))
    report = verify_logs(
        paths.logs,
        paths.checkpoints_file,
        known,
        since=since.replace(tzinfo=UTC).timestamp() if since else 0.0,
        until=until.replace(tzinfo=UTC).timestamp() if until else float("inf"),
        witnesses=witnesses,
    )
    _show(report, time.perf_counter() - started)
    if report.faults or _is_late(report):
        sys.exit(1)


@audit.command()
@click.argument("decision_id")
def prove(decision_id: str) -> None:
    """Print the proof of a decision, which `python -m windvane.cluster.decision_log.audit.verify` checks by itself."""
    from windvane.cluster.decision_log.audit.proof import prove as prove_decision
    from windvane.cluster.decision_log.read.logs import find_decision

    paths = AuditPaths(load_settings())
    model, _ = find_decision(paths.logs, decision_id)
    proof = prove_decision(paths.logs / model, decision_id, paths.checkpoints_file, paths.public_keys())
    tell_of(paths, "proved", f"asked for the proof of decision {decision_id}", model, decision_id=decision_id)
    click.echo(msgspec.json.format(msgspec.json.encode(proof)).decode())


def _witnessed(store_url: str) -> Witnessed | None:
    """The last checkpoint that the store remembers; where it cannot be asked that is told: auditors have copies."""
    from windvane.cluster.sql_store import SqlStore

    try:
        with closing(SqlStore(store_url)) as store:
            return StoreWitness(store).last()
    except WindvaneError as error:
        click.secho(f"not looked at: whether checkpoints are missing at the end, for {error}", fg="yellow", err=True)
        return None


def _is_late(report: VerifyReport) -> bool:
    """Whether there should have been a checkpoint for long."""
    return bool(report.records) and not report.checkpoints and time.time() - report.oldest > _LATE_SECONDS


def _show(report: VerifyReport, seconds: float) -> None:
    for fault in report.faults:
        click.secho(str(fault), fg="red")
    for notice in report.notices:
        click.echo(f"notice: {notice}")
    what = f"{report.records:,} records in {report.segments} segments, {report.checkpoints} checkpoints"
    found = f"{len(report.faults)} faults" if report.faults else "nothing was changed"
    if report.records and not report.checkpoints:
        found = "no checkpoint vouches for them, so that nobody can tell whether they are what was written"
        found = found if _is_late(report) else "no checkpoint vouches for them yet; control signs one a minute"
    click.echo(f"{what}: {found} ({seconds:.1f} s, {report.records / max(seconds, 1e-9):,.0f} records/s)")
