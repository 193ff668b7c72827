"""Lineage of a version, and its figures: code, environment, data, reason."""

import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from windvane.cluster.bundle import Manifest
from windvane.configs.schema import ModelSpec
from windvane.training.evaluate.evaluate import OfflineComparison, OfflineRuling, estimates_of
from windvane.training.fit.settings import spelled
from windvane.training.order import Order
from windvane.training.progress import Progress
from windvane.training.rows.examples import Examples
from windvane.training.rows.sources import public

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("mlflow", "numpy", "onnxmltools", "onnxruntime", "pyarrow", "ray", "scikit-learn", "xgboost")


def describe(
    order: Order,
    spec: ModelSpec,
    findings: tuple[str, ...],
    learnt: Examples,
    reference: Examples,
    ruling: OfflineRuling,
) -> dict[str, str]:
    """Tags of a version: where it came from, so that it can be made again, and what the gate said."""
    tags = {
        "source": public(order.source or spec.data.source),
        "query": order.query or spec.data.query or "",
        "until": order.until.isoformat() if order.until else "",
        "data_sha256": learnt.digest(),
        "rows_in_window": str(len(reference)),
        "spec_sha256": hashlib.sha256(spec.model_dump_json().encode()).hexdigest(),
        "code_revision": code_revision(),
        "environment": environment(),
        "findings": "; ".join(findings),
        "gate": ruling.why,
        "gate_overridden": "yes" if order.accept else "",
        "training_windows": ", ".join(spelled(None if w == "all" else w) for w in spec.training.windows),
    }
    return {name: value for name, value in tags.items() if value}


def figures(
    comparison: OfflineComparison, learnt: Examples, manifest: Manifest, progress: Progress
) -> dict[str, float]:
    """Metrics of a version: every offline figure with its interval, champion's and difference beside it."""
    shown = {
        "trained_until": float(learnt.times[-1]),
        "rows": float(len(learnt)),
        "held_out_positives": float(comparison.positives),
        "trees": float(manifest.trees),
        "max_onnx_difference": manifest.max_onnx_difference,
    }
    shown |= estimates_of(comparison)
    if comparison.over_constant is not None:
        over = comparison.over_constant
        shown |= {"base_rate_difference_log_loss": over.value}
        shown |= {"base_rate_difference_log_loss_low": over.low, "base_rate_difference_log_loss_high": over.high}
    shown |= {f"seconds_{stage}": seconds for stage, seconds in progress.seconds.items()}
    return {name: value for name, value in shown.items() if value == value and abs(value) != float("inf")}


def code_revision(root: Path = ROOT) -> str:
    """The commit, with `+changes` when files differ from it; the package's version outside of a checkout."""
    if (root / ".git").exists():
        try:
            commit = _git(root, "rev-parse", "HEAD")
            return commit + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
        except (OSError, subprocess.SubprocessError):
            pass  # git is not installed here or may not read the folder: the package's version still tells
    try:
        return f"windvane {version('windvane')}"
    except PackageNotFoundError:
        return "unknown"


def environment() -> str:
    """Python and the packages that decide what a fit gives."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"python {platform.python_version()} {platform.machine()}, {packages}"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10)  # noqa: S607
    return done.stdout.strip()
