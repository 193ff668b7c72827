"""Puts on the log what the command line reads of the log."""

from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.host.unix_user import user_name


def tell_of(paths: AuditPaths, kind: str, detail: str, model: str = "", **facts: str) -> None:
    """Record a read before its answer is shown; raises Unavailable, and then nothing may be shown."""
    trail = paths.trail("cli")
    try:
        trail.tell(kind, f"{user_name()} (command line)", detail, model, facts)
    finally:
        trail.close()
