"""Traces a decision from its record to the findings that caused its version. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from windvane.cluster.registry import Version
from windvane.monitoring.loop.requests import RetrainRequest
from windvane.serve_apps.admin.records.replies import Lineage


def lineage(model: str, row: Mapping[str, Any], version: Version | None, request: RetrainRequest | None) -> Lineage:
    """A row of the log's view `asked` with the version that answered, None where none did, and why that exists."""
    tags = version.tags if version else {}
    return {
        "decision_id": row["decision_id"],
        "model": model,
        "decided_at": datetime.fromtimestamp(row["recorded_at"], UTC).isoformat(),
        "caller": row.get("caller") or None,
        "purpose": row.get("purpose") or None,
        "consent": row.get("consent"),
        "verdict": row.get("verdict") or None,
        "action": row["action"] or None,
        "version": version.number if version else None,
        "arm": row["arm"],
        "split": row["revision"],
        "policy": row.get("policy_version") or None,
        "policies": list(row.get("policies") or ()),
        "run": version.run_id if version else None,
        "registered_at": version.created_at.isoformat() if version else None,
        "parent": version.parent if version else None,
        "data_sha256": tags.get("data_sha256"),
        "source": tags.get("source"),
        "code_revision": tags.get("code_revision"),
        "environment": tags.get("environment"),
        "declaration_sha256": tags.get("spec_sha256"),
        "request": version.request_id if version else None,
        "cause": request.cause if request else None,
        "reason": version.reason if version else None,
        "findings": list(request.findings) if request else [],
    }
