from dataclasses import replace
from datetime import timedelta
from typing import Any

from windvane.training.fit.engine import Trial, conclude
from windvane.training.fit.settings import FitSettings, windows_of
from windvane.training.progress import Progress

DAY = 86400.0


def trial(log_loss: float, *by_block: float, **changed: Any) -> Trial:
    settings = replace(FitSettings(rounds=40), **changed)
    return Trial(settings, log_loss, by_block or (log_loss - 0.01, log_loss, log_loss + 0.01))


def test_the_trial_with_the_lowest_loss_wins_with_its_rounds_and_window() -> None:
    window = timedelta(days=60)
    found = conclude([trial(0.52), trial(0.50, window=window, max_depth=3)], FitSettings())
    assert (found.best.rounds, found.best.window, found.best.max_depth) == (40, window, 3)
    assert [each.log_loss for each in found.trials] == [0.50, 0.52]


def test_a_window_that_only_fits_some_of_the_days_does_not_beat_all_rows() -> None:
    window = timedelta(days=60)
    lucky = trial(0.50, 0.30, 0.60, 0.60, window=window)
    assert conclude([trial(0.52), lucky], FitSettings()).best.window is None
    assert conclude([lucky], FitSettings()).best.window == window


def test_settings_that_chance_favours_do_not_replace_the_first() -> None:
    first, lucky = trial(0.52, 0.40, 0.60, 0.56), trial(0.50, 0.50, 0.50, 0.50, max_depth=1)
    assert conclude([first, lucky], FitSettings()).best.max_depth == 3
    likely = trial(0.50, 0.39, 0.57, 0.54, max_depth=1)
    assert conclude([first, lucky, likely], FitSettings()).best.max_depth == 1


def test_a_gain_as_the_luckiest_of_five_equals_has_does_not_replace_the_first() -> None:
    first = trial(0.52, 0.40, 0.60, 0.56)
    by_1_44_errors, by_1_94_errors = (0.40, 0.59, 0.525), (0.40, 0.585, 0.54)
    assert conclude([first, trial(0.505, *by_1_44_errors, max_depth=6)], FitSettings()).best.max_depth == 3
    assert conclude([first, trial(0.508, *by_1_94_errors, max_depth=6)], FitSettings()).best.max_depth == 6


def test_a_search_whose_budget_ended_first_falls_back_to_the_default() -> None:
    default = FitSettings(rounds=77)
    assert conclude([], default).best == default
    assert conclude([], default).trials == ()


def test_a_window_longer_than_the_data_is_all_of_it() -> None:
    assert windows_of((timedelta(days=60), timedelta(days=90)), 70 * DAY) == [None, timedelta(days=60)]
    assert windows_of((timedelta(days=60),), 70 * DAY) == [timedelta(days=60)]
    assert windows_of(("all", timedelta(days=60), timedelta(days=60)), 70 * DAY) == [None, timedelta(days=60)]


def test_every_setting_reaches_the_booster() -> None:
    parameters = FitSettings(max_depth=3, eta=0.2).booster_parameters(seed=9, threads=2)
    assert (parameters["max_depth"], parameters["eta"], parameters["seed"], parameters["nthread"]) == (3, 0.2, 9, 2)
    assert FitSettings(window=timedelta(days=60)).described()["window"] == "60d"


def test_progress_tells_the_seconds_of_every_stage() -> None:
    ticks = iter([0.0, 1.0, 1.0, 3.5, 4.0])
    lines: list[str] = []
    progress = Progress(lambda: next(ticks), lines.append)
    with progress.stage("data"):
        pass
    progress.say("done")
    assert progress.seconds == {"data": 2.5}
    assert lines == ["[   1.0 s] data …\n", "[   4.0 s] done\n"]
