import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.serve_apps.pipeline.pending import Pending, Row, block, parts
from windvane.serve_apps.protocol.question import Answer, Question

ROW = (1.0,)


def answer(name: str) -> Answer:
    return Answer(name, 1, "champion", 0.5, "keep", ())


def pending(rows: int, loop: asyncio.AbstractEventLoop, start: float | None = None) -> Pending:
    ready = None if start is None else np.arange(start, start + rows, dtype=np.float32)[:, None]
    return Pending([Question("u", ROW)] * rows, (), 0.0, None, None, ready, loop.create_future())


def rows_of(*requests: Pending) -> list[Row]:
    return [Row(each, place, each.questions[place], 0) for each in requests for place in range(len(each))]


@pytest.fixture
def loop() -> object:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_a_request_is_answered_when_its_last_row_is_in_whatever_the_order(loop: asyncio.AbstractEventLoop) -> None:
    request = pending(3, loop)
    request.give(2, answer("c"))
    request.give(0, answer("a"))
    assert not request.answer.done()
    request.give(1, answer("b"))
    assert [each.decision_id for each in request.answer.result()] == ["a", "b", "c"]


def test_one_rows_error_is_the_requests_and_the_first_one_counts(loop: asyncio.AbstractEventLoop) -> None:
    request = pending(2, loop)
    assert request.fail(1, ValueError("first"))
    assert request.fail(0, ValueError("second"))
    with pytest.raises(ValueError, match="first"):
        request.answer.result()


def test_a_row_is_over_once(loop: asyncio.AbstractEventLoop) -> None:
    request = pending(4, loop)
    assert request.give(0, answer("a"))
    assert request.fail(1, ValueError("of the second row"))
    assert not request.give(1, answer("b"))
    assert not request.fail(0, ValueError("too late"))
    assert request.fail_all(ValueError("whatever is left")) == 2
    assert request.fail_all(ValueError("nothing is")) == 0
    assert not request.give(2, answer("c"))
    assert not request.fail(3, ValueError("too late"))
    with pytest.raises(ValueError, match="of the second row"):
        request.answer.result()


def test_rows_that_endpoints_encoded_stay_with_their_questions(loop: asyncio.AbstractEventLoop) -> None:
    large, small = pending(3, loop, 0.0), pending(2, loop, 10.0)
    assert block(rows_of(large)) is large.block
    both = block(rows_of(large, small))
    assert both is not None
    assert both[:, 0].tolist() == [0, 1, 2, 10, 11]
    some = block([row for row in rows_of(small, large, small) if row.place == 1])
    assert some is not None
    assert some[:, 0].tolist() == [11, 1, 11]


def test_one_row_that_no_endpoint_encoded_makes_all_be_encoded(loop: asyncio.AbstractEventLoop) -> None:
    assert block(rows_of(pending(2, loop, 0.0), pending(1, loop))) is None
    assert block(rows_of(pending(1, loop))) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), max_size=30), st.integers(1, 8))
def test_parts_are_the_request_in_order_and_a_row_with_an_id_stands_alone(keyed: list[bool], largest: int) -> None:
    questions = [Question(str(place), ROW, request_id="k" if key else None) for place, key in enumerate(keyed)]
    found = [questions[part] for part in parts(questions, largest)]
    assert [question for part in found for question in part] == questions
    assert all(1 <= len(part) <= largest for part in found)
    assert all(len(part) == 1 for part in found if any(question.request_id for question in part))
