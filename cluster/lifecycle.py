"""`windvane up` and `windvane down`: a cluster is started or attached to, made ready, and left as it was found."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx

from cluster import head_record, ray_head
from cluster.addresses import Place, dashboard_url, place, url
from cluster.callers.first_key import ensure_first_key
from cluster.callers.key_book import KeyBook
from cluster.declarations import deployed_models
from cluster.errors import Unavailable, WindvaneError
from cluster.first_policies import first_policies
from cluster.serve_apps_api import CONTROL, ServeApplications
from cluster.sql_store import SqlStore
from configs.schema import Settings

READY_SECONDS = 180.0
POLL_SECONDS = 0.1

Progress = Callable[[str], None]


def up(settings: Settings, progress: Progress) -> Place:
    """Start or attach to Ray, deploy control, return when it answers; doing it twice changes nothing."""
    ensure_first_key(Path(settings.home), KeyBook(SqlStore(settings.store_url)), datetime.now(UTC))
    told = first_policies(settings, datetime.now(UTC))
    if told:
        progress(told)
    dashboard = dashboard_url(settings)
    started = False
    if dashboard is None:
        progress("starting Ray")
        dashboard = ray_head.start(settings).dashboard_url
        started = True
    applications = ServeApplications(dashboard, settings)
    _wait(applications.answers, "the Ray dashboard", settings, progress)
    applications.deploy_control()
    applications.wait_running(CONTROL, READY_SECONDS, progress)
    _wait(lambda: _control_answers(settings), "the control app", settings, progress)
    for model, digest in deployed_models(SqlStore(settings.store_url)):
        applications.deploy_model(model, digest)
    return place(settings, dashboard, started)


def down(settings: Settings, progress: Progress) -> str:
    """Take our applications down, and the Ray head if we started it; returns what was ended."""
    head = head_record.load(Path(settings.home))
    dashboard = dashboard_url(settings)
    if dashboard is None:
        stale = ray_head.end_leftovers(Path(settings.home))
        return f"Nothing was running; ended {stale} leftover processes." if stale else "Nothing was running."
    try:
        progress("shutting applications down")
        ServeApplications(dashboard, settings).remove_all()
        _wait(lambda: not _control_answers(settings), "requests in flight", settings, progress, 15.0)
    except WindvaneError as error:
        progress(f"going on although Serve did not shut down: {error}")
    if head is None:
        return f"Applications removed; the Ray cluster at {settings.ray_address} was not ours and runs on."
    progress("ending Ray")
    return f"Ended {ray_head.end(Path(settings.home), head)} processes."


def _control_answers(settings: Settings) -> bool:
    try:
        return httpx.get(f"{url(settings)}/api/health", timeout=5.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _wait(
    ready: Callable[[], bool],
    what: str,
    settings: Settings,
    progress: Progress,
    patience_seconds: float = READY_SECONDS,
) -> None:
    deadline = time.monotonic() + patience_seconds
    while not ready():
        if time.monotonic() > deadline:
            raise Unavailable(
                f"Waited {patience_seconds:.0f} s for {what}; look at the logs under {settings.home}/run/ray."
            )
        progress(f"waiting for {what}")
        time.sleep(POLL_SECONDS)
