import pytest

from windvane.cluster.errors import Invalid
from windvane.serve_apps.endpoints.deadline import LONGEST_WAIT_SECONDS, SINCE, deadline_of, read_deadline, waited


def test_a_deadline_is_the_arrival_and_the_seconds_given() -> None:
    assert deadline_of({b"x-request-timeout-seconds": b"1.5"}, arrived=100.0) == 101.5
    assert deadline_of({b"x-request-timeout-seconds": b"2"}, arrived=100.0) == 102.0


def test_without_the_header_there_is_none() -> None:
    assert deadline_of({b"content-type": b"application/json"}, arrived=100.0) is None


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "nan", "inf", "-inf", "1,5", "1s", "\xff"])
def test_what_is_no_positive_number_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(Invalid, match=r"x-request-timeout-seconds must be a number of seconds, such as 0\.25, not"):
        read_deadline(text, arrived=0.0)
    with pytest.raises(Invalid) as refused:
        deadline_of({b"x-request-timeout-seconds": text.encode("latin-1")}, arrived=0.0)
    assert refused.value.status == 422


NOW = 1_700_000_000.5


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        (b"1700000000250000", 0.25),
        (b"1700000000500000", 0.0),
        (b"1700000000600000", 0.0),  # another clock, or ours was set back
        (b"1600000000000000", 0.0),  # set forward by years
        (b"", 0.0),
        (b"-5", 0.0),
        (b"1e99", 0.0),
        (b"9" * 400, 0.0),
        ("²".encode("latin-1"), 0.0),
    ],
)
def test_what_haproxy_says_of_the_arrival_is_believed_where_it_can_be_true(stamp: bytes, seconds: float) -> None:
    assert waited({SINCE: stamp}, lambda: NOW) == pytest.approx(seconds)
    assert waited({}, lambda: NOW) == 0.0
    assert waited({SINCE: stamp}, lambda: NOW) <= LONGEST_WAIT_SECONDS
