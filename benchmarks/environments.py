"""Each peer's own environment below var/peers, made by uv from its pinned requirements."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from windvane.cluster.errors import Unavailable

RECIPES = Path(__file__).with_name("peers")
ROOT = Path("var") / "peers"
STAMP = ".bench-requirements"
LINES = 3  # of what uv says about a failure


def ensure(peer: str, progress: Callable[[str], None]) -> Path:
    """The peer's Python, its packages installed if they were not; raises Unavailable with uv's reason."""
    requirements = RECIPES / peer / "requirements.txt"
    environment = (ROOT / peer).resolve()
    python, stamp = environment / "bin" / "python", environment / STAMP
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == digest:
        return python
    progress(f"installing {peer} into {ROOT / peer}")
    uv = Path(sys.executable).with_name("uv")
    _run([str(uv), "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(environment)], peer)
    install = [str(uv), "pip", "install", "--quiet", "--python", str(python), "--requirement", str(requirements)]
    _run(install, peer)
    stamp.write_text(digest)
    return python


def pinned(peer: str) -> dict[str, str]:
    """Package and version of everything that is pinned for the peer."""
    lines = (RECIPES / peer / "requirements.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {name: version.split(" ")[0] for name, version in pairs}


def _run(command: list[str], peer: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise Unavailable(f"{peer} was not installed: {error}; `make setup` brings uv") from error
    if done.returncode != 0:
        said = " ".join(done.stderr.strip().splitlines()[-LINES:])
        raise Unavailable(f"{peer} was not installed (uv: {said})")
