"""`make bench`: the decision log by itself, then decisions over HTTP on the Windvane that is running."""

import subprocess
import sys

from cluster.lifecycle import dashboard_url
from configs.load import load_settings

if __name__ == "__main__":
    for name in ("benchmarks.decision_log", "benchmarks.decide"):
        if name == "benchmarks.decide" and dashboard_url(load_settings()) is None:
            sys.stderr.write("No Windvane is running: up, train and deploy flight-delay to measure decisions too.\n")
            break
        if code := subprocess.run([sys.executable, "-m", name]).returncode:
            sys.exit(code)
