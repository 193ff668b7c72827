"""A version's card says all of it in words, and comes back from its file as it was."""

import msgspec
import pytest

from tests.worlds.model_card import CARD
from windvane.cluster.model_card import page, read_card, write_card


def test_a_card_comes_back_as_it_was_written() -> None:
    assert read_card(write_card(CARD)) == CARD
    with pytest.raises(msgspec.DecodeError):
        read_card(b"{}")


def test_a_page_says_what_for_from_what_how_well_for_whom_and_what_not() -> None:
    assert (
        page(CARD, 3, ["2026-01-02 promoted"])
        == """# loans, version 3

Will they pay?

## Purpose
- lending: whether to lend (with the subject's consent)
- statistics (without the subject's consent)
- It predicts whether bad is true of one customer.
- Against its subject: decline. Whoever meets it is told why.

## Owner
credit@example.org
To be looked at again by 2027-06-30.

## Data
- 1,200 rows of loans.csv, the newest of 2025-12-31 (sha256 abababababababab)
- judged on 300 of them that were held out, 40 of them true
- 2 features: income, debt
- personal: income
- kept out, to audit by: race
- made 2026-01-01T10:00:00 by dead on python 3.11

## Metrics
On the held-out rows, with 95 % intervals.

| | |
|---|---|
| auc | 0.750 [0.700, 0.800] |
| calibration error | 0.020 [0.010, 0.030] |

## Metrics by group

| group | rows | true | decline | auc |
|---|---|---|---|---|
| race: white | 250 | 30 | 0.100 [0.080, 0.120] | 0.760 [0.700, 0.820] |
| race: black | 9 | 2 |  |  |

## Limits
- Too few rows.

## Approvals
- champion: the first version
- 2026-01-02 promoted"""
    )


def test_what_is_not_declared_is_said_to_be_absent() -> None:
    bare = msgspec.structs.replace(CARD, description="", purposes=(), personal=(), audited=(), groups=(), review_by="")
    told = page(bare)
    assert told.startswith("# loans\n\n## Purpose\nNo purpose is declared.")
    assert "- personal: none is declared\n- kept out, to audit by: none is declared" in told
    assert "by group" not in told
