"""`windvane up` and `windvane down`: a cluster is started or attached to, made ready, and left as it was found."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx

from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.callers import declared
from windvane.cluster.callers.first_key import ensure_first_key
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.declarations import deployed_models
from windvane.cluster.errors import Unavailable, WindvaneError
from windvane.cluster.host import machine
from windvane.cluster.host.one_at_a_time import one_at_a_time
from windvane.cluster.host.preconditions import Check, examine, of_issuer, of_ray
from windvane.cluster.host.private_files import make_private, privately
from windvane.cluster.host.run_folder import shortest
from windvane.cluster.host.scratch import scratch_root, sweep
from windvane.cluster.policies.first_policies import first_policies
from windvane.cluster.runtime import haproxy, head_record, ray_head, ray_source
from windvane.cluster.runtime.addresses import Addresses, dashboard_url, place, url
from windvane.cluster.runtime.dashboard import last_lines
from windvane.cluster.runtime.preloading import allow
from windvane.cluster.runtime.serve_apps_api import CONTROL, ServeApplications
from windvane.cluster.sql_store import SqlStore
from windvane.configs.schema import Settings

READY_SECONDS = 180.0
POLL_SECONDS = 0.2  # each question costs the dashboard and Serve as much as it costs us

Progress = Callable[[str], None]


def up(settings: Settings, progress: Progress) -> Addresses:
    """Start or attach to Ray, deploy control, return when it answers; doing it twice changes nothing.

    Raises Unavailable with everything that stands in the way before anything is made or started, and what is started
    in vain is ended again.
    """
    demand((*examine(settings, machine.look(settings), running=True), of_issuer(declared.trouble(settings))))
    AuditPaths(settings).demand_keys()
    with privately(), one_at_a_time(Path(settings.home), progress):
        if closed := make_private(Path(settings.home)):
            progress(f"took from other users of this machine {closed} files and folders of {settings.home}")
        dashboard = dashboard_url(settings)
        if dashboard is not None:
            _begin(settings, progress)
            return _serve(settings, dashboard, False, progress)
        ray_head.end_leftovers(Path(settings.home))
        demand((*examine(settings, machine.look(settings)), of_ray(ray_source.trouble())))
        _begin(settings, progress)
        progress("starting Ray")
        head = ray_head.start(settings)
        try:
            return _serve(settings, head.dashboard_url, True, progress)
        except BaseException:  # interrupted, too: nothing of it may run on
            progress("ending Ray again")
            ray_head.end(Path(settings.home), head)
            raise


def demand(checks: Sequence[Check]) -> None:
    """Raise Unavailable with the sentence of every check that stops."""
    troubles = [check.sentence for check in checks if check.state == "stop"]
    if troubles:
        raise Unavailable("\n".join(troubles))


def _begin(settings: Settings, progress: Progress) -> None:
    """Gives a new home a key for its owner, a policy set, and ignore files so no tool takes it along."""
    for name in (".gitignore", ".rayignore"):  # keys and logs are neither to commit nor to upload with a job
        ignored = Path(settings.home) / name
        if not ignored.exists():
            ignored.write_text("*\n")
    with closing(SqlStore(settings.store_url)) as store:
        ensure_first_key(Path(settings.home), KeyBook(store), datetime.now(UTC))
    told = first_policies(settings, datetime.now(UTC))
    if told:
        progress(told)
    _sweep(settings, progress)


def _serve(settings: Settings, dashboard: str, started: bool, progress: Progress) -> Addresses:
    """Deploy control and the models that were deployed before; returns when control answers."""
    with closing(ServeApplications(dashboard, settings)) as applications:
        wait(applications.answers, "the Ray dashboard", settings, progress)
        try:
            applications.deploy_control()
            applications.wait_running(CONTROL, READY_SECONDS, progress)
        except WindvaneError:
            _demand_haproxy(settings)  # Serve says only that its proxy is not there
            raise
        wait(lambda: is_served(settings), "the control app", settings, progress)
        allow(Path(settings.home))
        with closing(SqlStore(settings.store_url)) as store:
            deployed = deployed_models(store)
        for model, digest in deployed:
            applications.deploy_model(model, digest)
    return place(settings, dashboard, started)


def down(settings: Settings, progress: Progress) -> str:
    """Take our applications down, and the Ray head if we started it; returns what was ended."""
    if not Path(settings.home).is_dir():
        return "Nothing was running."
    with privately(), one_at_a_time(Path(settings.home), progress):
        try:
            return _end(settings, progress)
        finally:
            _sweep(settings, progress)


def _end(settings: Settings, progress: Progress) -> str:
    head = head_record.load(Path(settings.home))
    dashboard = dashboard_url(settings)
    if dashboard is None:
        stale = ray_head.end_leftovers(Path(settings.home))
        return f"Nothing was running; ended {stale} leftover processes." if stale else "Nothing was running."
    try:
        progress("shutting applications down")
        with closing(ServeApplications(dashboard, settings)) as applications:
            applications.remove_all()
        wait(lambda: not _control_answers(settings), "requests in flight", settings, progress, 15.0)
    except WindvaneError as error:
        progress(f"going on although Serve did not shut down: {error}")
    if head is None:
        return f"Applications removed; the Ray cluster at {settings.ray_address} was not ours and runs on."
    progress("ending Ray")
    return f"Ended {ray_head.end(Path(settings.home), head)} processes."


def _sweep(settings: Settings, progress: Progress) -> None:
    """Remove what killed trainings left behind: rows of people, above all."""
    if swept := sweep(scratch_root(Path(settings.home))):
        progress(f"removed what killed trainings left in scratch: {', '.join(swept)}")


def _last_words(settings: Settings) -> str:
    """The end of what Ray's dashboard wrote down: where it never came to answer, that says why."""
    log = Path(settings.home) / "run" / "ray" / "session_latest" / "logs" / "dashboard.log"
    try:
        return f", of which the dashboard's ends with: {last_lines(log.read_text(errors='replace'))}"
    except OSError:
        return ""


def _demand_haproxy(settings: Settings) -> None:
    """Raise Unavailable, with the sentence, when the HAProxy of a head of ours was not started."""
    run = shortest(Path(settings.home))
    if settings.ray_address is None and run is not None:
        haproxy.demand_started(run)


def is_served(settings: Settings) -> bool:
    """Tells whether control answers; raises Unavailable, with the sentence, when our HAProxy was not started."""
    _demand_haproxy(settings)
    return _control_answers(settings)


def _control_answers(settings: Settings) -> bool:
    try:
        return httpx.get(f"{url(settings)}/api/health", timeout=5.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def wait(
    ready: Callable[[], bool],
    what: str,
    settings: Settings,
    progress: Progress,
    patience_seconds: float = READY_SECONDS,
) -> None:
    """Return once it is ready; raises Unavailable with where to look when that takes too long."""
    deadline = time.monotonic() + patience_seconds
    while not ready():
        if time.monotonic() > deadline:
            told = f"Waited {patience_seconds:.0f} s for {what}; look at the logs under {settings.home}/run/ray"
            raise Unavailable(f"{told}{_last_words(settings)}.")
        progress(f"waiting for {what}")
        time.sleep(POLL_SECONDS)
