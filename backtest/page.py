"""A backtest as one HTML file: losses over time, the schedules, what every retraining was worth, all events."""

from base64 import b64encode
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from typing import Any

import numpy as np

from windvane.backtest.report import BacktestReport

SCHEDULES = {
    "loop": "Windvane's loop",
    "never": "never retrained",
    "recent": "every period, on the last one",
    "everything": "every period, on all rows",
    "hindsight": "best schedule in hindsight",
}
_COLOURS = {"loop": "#0b6e4f", "never": "#b23a48", "recent": "#c98a2b", "everything": "#6c7a89", "hindsight": "#222222"}
_SMOOTHED = 7  # days of which the curve is the mean
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1c2430;
  background: #fff; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d8dee6; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
img { max-width: 100%; }
.best { font-weight: 600; }
@media (prefers-color-scheme: dark) { body { background: #12161c; color: #dde3ea; } th, td { border-color: #333c48; }
  img { background: #fff; } }
"""


def page(report: BacktestReport) -> str:
    """The report as HTML that needs nothing from outside."""
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>Backtest of {escape(report.model)}</title>',
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>Backtest of {escape(report.model)}</h1>",
            f"<p>{report.rows:,} decisions of {_day(report.start)} to {_day(report.end)}, replayed through the live "
            f"loop: {report.trainings} retrainings, regret {report.regret:+.4f} log loss a decision.</p>",
            f'<img alt="Mean log loss by day" src="data:image/svg+xml;base64,{_plot(report)}">',
            _schedules(report),
            _worth(report),
            _timeline(report),
            "</body></html>",
        ]
    )


def _schedules(report: BacktestReport) -> str:
    rows = []
    for name, words in SCHEDULES.items():
        loss = getattr(report, name)
        words = words.replace("every period", f"every {report.period_days:g} days").replace(
            "the last one", f"the last {report.period_days:g}"
        )
        rows.append(
            f'<tr class="{"best" if name == "loop" else ""}"><td>{escape(words)}</td><td class="n">{loss:.4f}</td>'
            f'<td class="n">{loss - report.hindsight:+.4f}</td></tr>'
        )
    head = '<tr><th>schedule</th><th class="n">log loss</th><th class="n">regret</th></tr>'
    return f"<h2>Beside other schedules</h2><table>{head}{''.join(rows)}</table>"


def _worth(report: BacktestReport) -> str:
    rows = [
        f'<tr><td class="n">{each.version}</td><td>{_day(each.made_at)}</td><td>{escape(each.cause)}</td>'
        f'<td>{escape(each.standing)}</td><td class="n">{each.learnt_from:,}</td><td class="n">{each.answered:,}</td>'
        f'<td class="n">{each.gained_each:+.4f}</td><td>{escape(each.why)}</td></tr>'
        for each in report.worth
    ]
    head = (
        '<tr><th class="n">version</th><th>made</th><th>cause</th><th>ended as</th><th class="n">learnt from</th>'
        '<th class="n">answered</th><th class="n">gained a decision</th><th>offline</th></tr>'
    )
    return f"<h2>What every version was worth</h2><table>{head}{''.join(rows)}</table>"


def _timeline(report: BacktestReport) -> str:
    rows = [
        f"<tr><td>{each.at:%Y-%m-%d %H:%M}</td><td>{escape(each.kind)}</td><td>{escape(each.sentence)}</td></tr>"
        for each in report.timeline
    ]
    return f"<h2>Timeline</h2><table><tr><th>event time</th><th>what</th><th></th></tr>{''.join(rows)}</table>"


def _plot(report: BacktestReport) -> str:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(11, 4.2))
    days: list[Any] = [datetime.fromtimestamp(each, UTC) for each in report.days]  # what matplotlib takes as a date
    for name, words in SCHEDULES.items():
        values = np.array(report.daily[name])
        width = min(_SMOOTHED, len(values))
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        thick = 2.2 if name == "loop" else 1.1
        axes.plot(days[width - 1 :], smooth, label=words, color=_COLOURS[name], linewidth=thick)
    for each in report.timeline:
        if each.kind == "promoted":
            moment: Any = each.at
            axes.axvline(moment, color=_COLOURS["loop"], linewidth=0.7, linestyle=":")
    axes.set_ylabel(f"log loss, mean of {_SMOOTHED} days")
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="upper left")
    axes.margins(y=0.2)
    figure.tight_layout()
    drawn = BytesIO()
    figure.savefig(drawn, format="svg")
    pyplot.close(figure)
    return b64encode(drawn.getvalue()).decode()


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
