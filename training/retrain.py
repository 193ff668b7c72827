"""The training job, read top to bottom: data → search → fit → judge → export → register."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree

from windvane.cluster.bundle import CARD
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.read.revealed import RevealedLog
from windvane.cluster.faults.boundary import sentence
from windvane.cluster.faults.log_redaction import redact_logs
from windvane.cluster.host.private_files import keep_private
from windvane.cluster.host.scratch import scratch, scratch_root
from windvane.cluster.host.unix_user import have_a_home
from windvane.cluster.model_card import page, write_card
from windvane.cluster.registry import Registration, Version
from windvane.cluster.runtime.processes import step_back
from windvane.cluster.storage.open_storage import job_storage
from windvane.cluster.storage.storage import Storage
from windvane.cluster.store import Event, Store
from windvane.configs.load import load_model, load_settings
from windvane.configs.schema import ModelSpec
from windvane.monitoring.loop.requests import record_version, shelf
from windvane.training.engines.local_engine import LocalEngine
from windvane.training.engines.ray_engine import RayEngine
from windvane.training.engines.sized_engine import SizedEngine
from windvane.training.evaluate import plots
from windvane.training.evaluate.card import fill
from windvane.training.evaluate.champion import StoredChampion, open_champion
from windvane.training.evaluate.evaluate import METRICS, OfflineComparison, OfflineRuling
from windvane.training.evaluate.plots import Pictures
from windvane.training.export import export
from windvane.training.export.lineage import describe, figures
from windvane.training.fit.engine import Engine, Work
from windvane.training.order import Order, read_order
from windvane.training.progress import Progress
from windvane.training.rows.examples import Examples
from windvane.training.rows.holdout_split import slices
from windvane.training.rows.labelled_rows import gather, gather_from
from windvane.training.rows.sources import public
from windvane.training.training_pipeline import judge, weigh

MOST_THREADS = 8  # beyond them trees of some ten thousand rows grow no faster


@dataclass(frozen=True, slots=True)
class Workplace:
    """Everything outside of the job that it works with."""

    storage: Storage
    engine: Engine
    pictures: Pictures = plots


def main(arguments: list[str] | None = None) -> int:
    """Train and register one version; exit status 0 when one is registered, rejected or not."""
    order = read_order(arguments)
    progress = Progress(time.monotonic, _write)
    try:
        settings = load_settings()
        spec = load_model(order.model, settings)
        local = LocalEngine(_threads(), time.monotonic)
        engine = SizedEngine(local, RayEngine(settings.ray_address))
        with job_storage(settings) as storage:
            version = retrain(order, spec, Workplace(storage, engine), progress)
    except Exception as error:  # noqa: BLE001  whatever it is, who reads the job's end is told in a sentence
        progress.say(f"FAILED: {sentence(error)}")
        return 1
    progress.say(f"{version.model} version {version.number} is registered as {version.standing}")
    return 0


def retrain(order: Order, spec: ModelSpec, at: Workplace, progress: Progress) -> Version:
    """Make one version and register it; a request that has its version already gets no second one."""
    progress.say(f"{spec.name}: {order.reason}")
    with scratch(scratch_root(at.storage.home), spec.name) as folder:
        return _make(order, spec, at, progress, folder)


def _make(order: Order, spec: ModelSpec, at: Workplace, progress: Progress, folder: Path) -> Version:
    """All stages in their order; MLflow and what writes files are imported beside the search: seconds of it."""
    with progress.stage("data"):
        erased = len(at.storage.vault.erased())
        declared, learnt = _rows(order, spec, at)
        since = None if order.since is None else order.since.timestamp()
        cut = slices(spec, declared, learnt, since)
    progress.say(f"{len(learnt)} rows{_until(learnt, spec)}, {len(cut.held)} held out")

    work = Work(spec.training, folder, progress.say)
    with ThreadPoolExecutor(1) as aside:
        opening = aside.submit(_open, order, at)
        with progress.stage("search"):
            cut = weigh(spec, cut, since, progress.say)
            found = at.engine.search(cut.learn, cut.check, work)
        progress.say("settings: " + ", ".join(f"{name} {value}" for name, value in found.best.described().items()))

        with progress.stage("fit"):
            fitted = at.engine.fit(cut.judged, cut.served, found.best, work)
        with progress.stage("registry"):
            known, champion = opening.result()
    if known is not None:
        progress.say(f"version {known.number} already answers request {order.request_id}")
        _hand_over(known, f"answers request {order.request_id}", None, order, at)
        return known

    with progress.stage("judge"):
        made = judge(spec, cut, found, fitted, champion, order.accept)
    _show(made.comparison, made.ruling, progress)
    for doubt in made.doubts:
        progress.say(f"WARNING: {doubt}")

    with progress.stage("export"):
        bundle, report = folder / "bundle", folder / "report"
        bundle.mkdir()
        report.mkdir()
        tags = {
            **describe(order, spec, _findings(order, at.storage.store), learnt, made.reference, made.ruling),
            "erased_subjects": str(erased),  # of whom it has no row
        }
        now = datetime.now(UTC)
        card = fill(order, spec, learnt, made, tags, now)
        (bundle / CARD).write_bytes(write_card(card))
        (report / "card.md").write_text(page(card))
        manifest = export.export(fitted, spec, made.profile, made.reference, made.judged_until, bundle).manifest
        held = made.held
        at.pictures.draw(report, held.labels, made.ours, made.theirs, fitted.judged, held.rows, manifest.features)
    progress.say(
        f"ONNX strays from the booster by {manifest.max_onnx_difference:.1e} at most, {manifest.compared_rows} rows"
    )

    with progress.stage("register"):
        registration = Registration(
            model=spec.name,
            owner=spec.owner,
            reason=order.reason,
            standing=made.ruling.standing,
            parent=made.parent,
            request_id=order.request_id,
            params={**found.best.described(), "trials": str(len(found.trials))},
            metrics=figures(made.comparison, learnt, manifest, progress),
            tags=tags,
        )
        version = at.storage.registry.register(registration, bundle, report)
        # The number was given before where the registry was restored from a backup and this machine's cache was not.
        rmtree(at.storage.version_cache / spec.name / str(version.number), ignore_errors=True)
        _hand_over(version, made.ruling.why, float(learnt.times[-1]) if spec.data.time else None, order, at)
    progress.say(", ".join(f"{name} {seconds:.1f} s" for name, seconds in progress.seconds.items()))
    return version


def _rows(order: Order, spec: ModelSpec, at: Workplace) -> tuple[Examples, Examples]:
    """The declared rows with what the log has seen since, and the rows to learn from: mostly the same.

    Rows of another source are judged on the declared ones: what they got wrong shows there.
    """
    log = RevealedLog(Query(at.storage.log_of(spec.name), spec.features), at.storage.vault, spec.features)
    declared = gather(spec, order.until, log, at.storage.vault)
    if order.source is None:
        return declared, declared
    return declared, gather_from(spec, order.source, order.query, order.until, at.storage.vault)


def _open(order: Order, at: Workplace) -> tuple[Version | None, StoredChampion | None]:
    """The version that answers this request already, and the champion; then imports what later stages need."""
    known = _registered_before(order, at)
    champion = None if known else open_champion(at.storage.registry, order.model, at.storage.version_cache)
    export.warm_up()
    at.pictures.warm_up()
    return known, champion


def _registered_before(order: Order, at: Workplace) -> Version | None:
    """The version that an earlier attempt at the same request registered before it died."""
    if order.request_id is None:
        return None
    return next((v for v in at.storage.registry.versions(order.model) if v.request_id == order.request_id), None)


def _findings(order: Order, store: Store) -> tuple[str, ...]:
    if order.request_id is None:
        return ()
    request, _ = shelf(store).load(f"{order.model}/{order.request_id}")
    return request.findings if request else ()


def _hand_over(version: Version, why: str, newest: float | None, order: Order, at: Workplace) -> None:
    """Tell the loop: alias of a first version, the request's version, the event; each is safe to do again."""
    if version.standing == "champion" and at.storage.registry.champion(version.model) is None:
        at.storage.registry.set_champion(version.model, version.number)
    if order.request_id is not None:
        record_version(at.storage.store, version.model, order.request_id, version.number)
    told = at.storage.store.events(version.model, limit=1_000_000)
    if any(event.kind == "registered" and event.version == version.number for event in told):
        return
    facts: dict[str, str | float | int | None] = {
        "standing": version.standing,
        "reason": version.reason,
        "parent": version.parent,
        "request": order.request_id,
        "source": public(order.source) if order.source else None,
        "gate_overridden": int(order.accept),
        **{name: version.metrics[name] for name in METRICS if name in version.metrics},
    }
    at.storage.store.append(
        Event(
            at=datetime.now(UTC),
            kind="registered",
            model=version.model,
            version=version.number,
            detail=f"version {version.number} registered as {version.standing}: {why}",
            event_time=None if newest is None else datetime.fromtimestamp(newest, UTC),
            facts=facts,
        )
    )


def _show(comparison: OfflineComparison, ruling: OfflineRuling, progress: Progress) -> None:
    for name in METRICS:
        beside = f"   champion {comparison.champion[name]}" if comparison.champion else ""
        progress.say(f"  {name:<18}{comparison.candidate[name]}{beside}")
    progress.say(f"{ruling.standing}: {ruling.why}")


def _until(learnt: Examples, spec: ModelSpec) -> str:
    return f" until {datetime.fromtimestamp(learnt.times[-1], UTC):%Y-%m-%d %H:%M}" if spec.data.time else ""


def _threads() -> int:
    """Half the processors this job may run on: threads that wait for one another lose more than they gain when busy."""
    return max(1, min(MOST_THREADS, len(os.sched_getaffinity(0)) // 2))


def _write(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def command() -> None:
    """Run `windvane-retrain` and `python -m windvane.training.retrain`."""
    redact_logs()
    keep_private()  # whoever submitted this, to whichever cluster
    have_a_home()
    step_back()
    sys.exit(main())


if __name__ == "__main__":
    command()
