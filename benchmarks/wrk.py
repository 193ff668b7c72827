"""wrk as the closed loop, when it is installed: C, so that the server and not the client is measured."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.load import Load, Traffic

SCRIPT = Path(__file__).with_name("wrk.lua")
NAME = "wrk"


def installed() -> bool:
    """Whether there is a wrk to run."""
    return shutil.which(NAME) is not None


def closed_loop(traffic: Traffic, concurrency: int, seconds: float) -> Load:
    """Every connection sends its next request when the last was answered; raises ValueError when wrk fails."""
    with tempfile.NamedTemporaryFile(prefix="requests-") as file:
        for request in traffic.requests:
            file.write(b"%d\n" % len(request) + request)
        file.flush()
        command = [
            NAME,
            "-t1",
            f"-c{concurrency}",
            f"-d{max(1, round(seconds))}s",
            "--timeout",
            "10s",
            "-s",
            str(SCRIPT),
        ]
        url = f"http://127.0.0.1:{traffic.port}/"
        done = subprocess.run([*command, url, "--", file.name], capture_output=True, text=True)
    return read(done.stdout + done.stderr)


def read(output: str) -> Load:
    """The load that wrk reports; raises ValueError with what it printed instead."""
    lines = [line for line in output.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise ValueError(f"wrk gave no result: {output[-500:]}")
    found = json.loads(lines[-1].removeprefix("RESULT "))
    seconds = found["microseconds"] / 1e6
    failed = found["failed"] + found["broken"]
    return Load(
        answered=found["requests"] - found["failed"],
        seconds=seconds,
        p50_ms=found["p50"] / 1e3,
        p99_ms=found["p99"] / 1e3,
        failed=failed,
        first_failure="wrk keeps no reply; ask once by hand" if failed else "",
        generator=NAME,
    )
