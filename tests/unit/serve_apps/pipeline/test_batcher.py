from collections.abc import Callable

from windvane.serve_apps.pipeline.batcher import Batcher


class Turns:
    """An event loop by hand."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def __call__(self, function: Callable[[], None]) -> None:
        self.due.append(function)

    def turn(self) -> None:
        now, self.due = self.due, []
        for function in now:
            function()


def make(largest: int = 4) -> tuple[Batcher[str], list[list[str]], Turns]:
    turns, batches = Turns(), list[list[str]]()
    return Batcher(batches.append, largest, turns), batches, turns


def test_everything_that_waits_is_one_batch_on_the_next_turn() -> None:
    batcher, batches, turns = make()
    batcher.add(["a"])
    batcher.add(["b", "cd"])
    assert batches == []
    turns.turn()
    assert batches == [["a", "b", "cd"]]
    assert turns.due == []


def test_more_than_a_batch_goes_in_order_over_several_turns() -> None:
    batcher, batches, turns = make(largest=2)
    batcher.add(["a", "b", "c"])
    turns.turn()
    batcher.add(["d", "e"])
    turns.turn()
    turns.turn()
    assert batches == [["a", "b"], ["c", "d"], ["e"]]


def test_a_part_is_never_taken_apart_and_never_overtaken() -> None:
    batcher, batches, turns = make(largest=3)
    batcher.add(["ab", "cd", "e", "fghi", "j"])
    for _ in range(4):
        turns.turn()
    assert batches == [["ab"], ["cd", "e"], ["fghi"], ["j"]]


def test_a_batch_may_add_rows_while_it_runs() -> None:
    turns, batches = Turns(), []

    def run(batch: list[str]) -> None:
        batches.append(batch)
        if batch == ["a"]:
            batcher.add(["b"])

    batcher: Batcher[str] = Batcher(run, 4, turns)
    batcher.add(["a"])
    turns.turn()
    turns.turn()
    assert batches == [["a"], ["b"]]


def test_while_a_batch_is_held_up_what_comes_is_put_together() -> None:
    batcher, batches, turns = make(largest=4)
    batcher.add(["a"])
    turns.turn()
    batcher.hold()
    batcher.add(["b"])
    batcher.add(["c"])
    turns.turn()
    assert batches == [["a"]]
    batcher.release()
    turns.turn()
    assert batches == [["a"], ["b", "c"]]
    assert turns.due == []


def test_a_full_batch_does_not_wait_for_one_that_is_held_up() -> None:
    batcher, batches, turns = make(largest=3)
    batcher.hold()
    batcher.add(["a", "bc", "d"])
    turns.turn()
    assert batches == [["a", "bc"]]
    turns.turn()
    assert turns.due == []
    batcher.release()
    turns.turn()
    assert batches == [["a", "bc"], ["d"]]


def test_what_was_due_when_a_batch_was_held_up_waits_for_its_release() -> None:
    batcher, batches, turns = make()
    batcher.add(["a"])
    batcher.hold()
    turns.turn()
    assert batches == []
    batcher.hold()
    batcher.release()
    turns.turn()
    assert batches == []
    batcher.release()
    turns.turn()
    assert batches == [["a"]]


def test_a_batch_that_breaks_is_failed_and_the_next_runs_all_the_same() -> None:
    turns, batches, failed = Turns(), list[list[str]](), list[tuple[list[str], str]]()

    def run(batch: list[str]) -> None:
        if batch == ["a"]:
            raise LookupError("nobody foresaw this")
        batches.append(batch)

    batcher = Batcher(run, 1, turns, lambda batch, error: failed.append((batch, str(error))))
    batcher.add(["a", "b"])
    turns.turn()
    turns.turn()
    assert failed == [(["a"], "nobody foresaw this")]
    assert batches == [["b"]]
