"""`python -m benchmarks.loop [--quick] [--seed N] [--only NAME …]`: the loop in many worlds at default settings."""

import argparse
import json
import secrets
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.loop.lineup import entries
from benchmarks.loop.measure import Figures
from benchmarks.loop.verdict import table, verdict

RESULTS = Path(__file__).parent.parent / "results"


def main() -> int:
    """Run the worlds, print the table and the verdict; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten worlds, under 5 minutes")
    parser.add_argument("--seed", type=int, help="of the drawn worlds; drawn and printed without one")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="worlds whose name contains one of these")
    parser.add_argument("--workers", type=int, default=2, help="worlds replayed at once")
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    chosen = [e for e in entries(seed, given.quick) if not given.only or any(part in e.name for part in given.only)]
    say(f"{len(chosen)} worlds at default settings, seed {seed} (`--seed {seed}` draws the same again)")
    found: dict[str, Figures] = {}
    with ProcessPoolExecutor(given.workers) as pool:
        pending = {pool.submit(entry.run): entry.name for entry in chosen}
        for future in as_completed(pending):
            for figures in future.result():
                found[figures.world] = figures
                say(
                    f"  {figures.world}: loop {figures.loop:.4f}, never {figures.never:.4f}, hindsight "
                    f"{figures.hindsight:.4f} ({figures.seconds:.0f} s)"
                )
    ordered = [found[name] for entry in chosen for name in entry.names if name in found]
    say(table(ordered))
    held, lines = verdict(ordered, complete=not given.only)
    RESULTS.mkdir(exist_ok=True)
    name = f"loop-{datetime.now(UTC):%Y%m%dT%H%M%S}.json"
    record = {"seed": seed, "quick": given.quick, "verdict": lines, "worlds": [each.described() for each in ordered]}
    (RESULTS / name).write_text(json.dumps(record, indent=1))
    for line in lines:
        say(line)
    return 0 if held else 1


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
