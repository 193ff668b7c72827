"""The table of a run and its bounds."""

from collections.abc import Sequence

from benchmarks.loop.landed import LANDED
from benchmarks.loop.measure import Figures

SHARE_OF_NEVER = 0.25
FALSE_IN = 1000.0  # quiet days, in which one false retraining may be
_COLUMNS = ("loop", "never", "recent", "everything", "hindsight")


def table(found: Sequence[Figures]) -> str:
    """Mean log loss a decision by world, with what the loop did."""
    head = (
        f"{'world':<44}{'loop':>8}{'never':>8}{'month':>8}{'all':>8}{'best':>8}{'heals in':>10}{'asked':>7}{'grown':>7}"
    )
    lines = [head, "-" * len(head)]
    for each in found:
        healing = "" if each.heals is None else f"{each.days_to_heal:.0f} d" if each.heals else "never"
        figures = "".join(f"{getattr(each, name):>8.4f}" for name in _COLUMNS)
        lines.append(f"{each.world[:43]:<44}{figures}{healing:>10}{each.asked:>7}{each.grown:>7}")
    return "\n".join(lines)


def verdict(found: Sequence[Figures], complete: bool = True) -> tuple[bool, list[str]]:
    """Whether every bound is held, and a line for each; the last one sums up."""
    own = [each for each in found if not each.world.endswith(LANDED)]
    regret = {name: sum(each.regret(name) for each in own) for name in _COLUMNS[:-1]}
    blind = min(("recent", "everything"), key=lambda name: regret[name])
    worse = [each.world for each in own if each.beside_never > 2.0 * each.beside_never_error]
    unhealed = [each.world for each in own if each.heals is False]
    false, quiet = sum(each.false for each in own), sum(each.quiet_days for each in own)
    before = [each for each in own if each.beside_before is not None]
    checks = [
        (
            regret["loop"] <= SHARE_OF_NEVER * regret["never"],
            f"summed regret {regret['loop']:.3f}, never retrained {regret['never']:.3f}: at most a quarter",
        ),
        (
            regret["loop"] <= regret[blind],
            f"best blind schedule ({'monthly on the last month' if blind == 'recent' else 'monthly on all'}) "
            f"{regret[blind]:.3f}: at most that",
        ),
        (not worse, f"worse than never retrained beyond two standard errors: {', '.join(worse) or 'none'}"),
        (not unhealed, f"changes that were not healed: {', '.join(unhealed) or 'none'}"),
        (
            false <= quiet / FALSE_IN,
            f"false retrainings: {false} in {quiet:,.0f} quiet days, at most one in {FALSE_IN:,.0f}",
        ),
    ]
    if before:
        checks.append(
            (
                all((each.beside_before or 0.0) <= 2.0 * (each.beside_before_error or 0.0) for each in before),
                "worse than the rules before beyond two standard errors over weeks: "
                + ", ".join(f"{e.world} by {e.beside_before:+.4f} ± {e.beside_before_error:.4f}" for e in before),
            )
        )
    lines = [f"{'held  ' if held else 'MISSED'}  {text}" for held, text in checks]
    held = all(each for each, _ in checks)
    lines.append(
        f"{'PASSED' if held else 'FAILED'}: {len(own)} worlds, "
        f"{sum(each for each, _ in checks)} of {len(checks)} bounds held" + ("" if complete else " (not all worlds)")
    )
    return held, lines
