"""Labels are waited for as long as the slower class takes, as measured."""

import numpy as np

from windvane.monitoring.counts.label_ages import LabelAges


def test_nothing_is_known_before_thirty_labels() -> None:
    ages = LabelAges()
    ages.add(3, np.ones(29, bool))
    assert ages.windows() is None


def test_the_slower_class_decides() -> None:
    ages = LabelAges()
    ages.add(1, np.ones(500, bool))
    ages.add(20, np.zeros(40, bool))
    assert ages.windows() == 20


def test_one_label_in_twenty_may_be_later() -> None:
    ages = LabelAges()
    ages.add(2, np.ones(95, bool))
    ages.add(90, np.ones(5, bool))
    assert ages.windows() == 2


def test_a_delay_that_changes_is_followed() -> None:
    ages = LabelAges()
    ages.add(1, np.zeros(90_000, bool))
    for _ in range(12):
        ages.add(5, np.zeros(60_000, bool))
    assert ages.windows() == 5
