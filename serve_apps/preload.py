"""Loads what a replica needs, in a worker process that nobody has asked for anything yet (`preloading`)."""

import threading
from collections.abc import Mapping

from windvane.cluster.runtime.preloading import wanted


def preload(environment: Mapping[str, str]) -> None:
    """Import at once what building and answering need, and what only answering needs in a thread."""
    if not wanted(environment):
        return
    import windvane.serve_apps.gateway  # noqa: F401

    threading.Thread(target=_load, name="preload", daemon=True).start()


def _load() -> None:
    from windvane.serve_apps.versions.kernels import compile_all

    compile_all()
