"""The bench's tables as text: by concurrency, at 64 connections beside the anchors, and the bounds."""

from collections.abc import Mapping, Sequence

from benchmarks import wrk
from benchmarks.bounds import CANARY, FLOOR, HELLO, MANY, Bound, Medians, at, usual_ratio
from benchmarks.measure import Figure

LABELS = {
    "floor": "uvicorn + ONNX Runtime (floor)",
    "ray-default-hello": "Ray Serve hello, default",
    "ray-default-bare": "Ray Serve bare, default",
    "ray-default-canary": "Ray Serve canary, default",
    "kserve-v1": "KServe Python v1",
    "kserve-v2": "KServe Python v2",
    "mlserver": "MLServer v2",
    "bentoml": "BentoML",
    "litserve": "LitServe",
    "mlflow-serve": "mlflow models serve",
    "ray-hello": "Ray Serve hello, our mode",
    "ray-bare": "Ray Serve bare, our mode",
    "windvane-unlogged": "Windvane, log off",
    "windvane": "Windvane, governed",
    "windvane-explained": "Windvane, all explained",
    "windvane-people": "Windvane, about people",
    "windvane-oip-json": "Windvane OIP JSON",
    "windvane-oip-binary": "Windvane OIP binary, 1 row",
    "windvane-oip-binary-256": "Windvane OIP binary, 256 rows",
    "windvane-oip-grpc": "Windvane OIP gRPC",
}
WIDTH = max(map(len, LABELS.values())) + 2
LEVELS = (1, 8, 32, 64)


def render(
    medians: Medians,
    rounds: Sequence[Medians],
    absent: Mapping[str, str],
    bounds: Sequence[Bound],
    plain_rows: float | None,
    peer: str | None,
) -> str:
    """Everything that is printed at the end."""
    parts = [*by_concurrency(medians, absent), "", *beside_anchors(medians, rounds, peer), "", closed_loops(medians)]
    if plain_rows:
        parts.append(f"plain ONNX Runtime, batches of 256, one thread: {plain_rows:,.0f} rows/s")
    return "\n".join([*parts, "", *verdicts(bounds)]) + "\n"


def closed_loops(medians: Medians) -> str:
    """Generators of the closed loops' requests: figures of different ones are not to be compared."""
    generators = {figure.generator for figures in medians.values() for figure in figures if figure.concurrency}
    return f"closed loops sent by {', '.join(sorted(generators))} ({wrk.NAME} where it is installed, but for gRPC)"


def by_concurrency(medians: Medians, absent: Mapping[str, str]) -> list[str]:
    """Requests a second, p50 and p99 in ms by connections; p50 and p99 in the open loop."""
    heads = [f"c={level}: req/s  p50  p99" for level in LEVELS] + ["1,000/s due: p50  p99"]
    lines = [" " * WIDTH + "".join(f"{head:>26}" for head in heads)]
    for name in _ordered([*medians, *absent]):
        if name in absent:
            lines.append(f"{_label(name)}{absent[name]}")
            continue
        cells = [_closed_cell(at(medians, name, level)) for level in LEVELS]
        lines.append(_label(name) + "".join(f"{cell:>26}" for cell in [*cells, _open_cell(at(medians, name, 0))]))
    return lines


def beside_anchors(medians: Medians, rounds: Sequence[Medians], peer: str | None) -> list[str]:
    """At 64 connections: what it costs, and the ratios to the anchors, each the median of the rounds' ratios."""
    heads = ("req/s", "CPU s/1,000", "memory MiB", "/ floor", "/ hello", f"/ {peer or 'peer'}", "/ canary")
    lines = [f"{f'c={MANY}':{WIDTH}}" + "".join(f"{head:>13}" for head in heads)]
    for name in _ordered(medians):
        figure = at(medians, name)
        if figure is None:
            continue
        hello = "ray-default-hello" if name.startswith("ray-default") else HELLO
        costs = (f"{figure.per_second:,.0f}", f"{figure.cpu_seconds:.3f}", f"{figure.memory_mib:,.0f}")
        ratios = [usual_ratio(rounds, name, anchor) for anchor in (FLOOR, hello, peer, CANARY)]
        cells = [*costs, *(f"{each:.2f}" if each is not None else "-" for each in ratios)]
        lines.append(_label(name) + "".join(f"{cell:>13}" for cell in cells))
    return lines


def verdicts(bounds: Sequence[Bound]) -> list[str]:
    """Each bound with what was reached."""
    width = max(len(bound.what) for bound in bounds) + 2
    lines = [f"{'bound':{width}}{'asked':>9}{'reached':>10}"]
    for bound in bounds:
        asked = f"{'≤' if bound.at_most else '≥'} {bound.limit:g}"
        reached = "-" if bound.reached is None else f"{bound.reached:.2f}"
        lines.append(f"{bound.what:{width}}{asked:>9}{reached:>10}  {bound.verdict}")
    return lines


def _closed_cell(figure: Figure | None) -> str:
    return f"{figure.per_second:,.0f} {figure.p50_ms:7.2f} {figure.p99_ms:7.1f}" if figure else "-"


def _open_cell(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    more = ">" if figure.unanswered else ""  # what was never answered took longer than it was waited for
    return f"{more}{figure.p50_ms:.2f} {more + f'{figure.p99_ms:.1f}':>9}"


def _ordered(names: Sequence[str] | Mapping[str, object]) -> list[str]:
    return [name for name in LABELS if name in set(names)]


def _label(name: str) -> str:
    return f"{LABELS[name]:{WIDTH}}"
