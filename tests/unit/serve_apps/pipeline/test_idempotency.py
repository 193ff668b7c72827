import asyncio

import pytest

from windvane.cluster.errors import Conflict
from windvane.serve_apps.pipeline.idempotency import Idempotency
from windvane.serve_apps.protocol.question import Answer, Question

ANSWER = Answer("id", 1, "champion", 0.5, "keep", ())


def asked(key: str, subject: str = "N1") -> Question:
    return Question(subject, (1.0,), request_id=key)


async def remember(idempotency: Idempotency, key: str) -> "asyncio.Future[list[Answer]]":
    future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
    idempotency.open(asked(key), None, "ann", future)
    return future


def test_a_key_means_one_question_and_one_wish() -> None:
    async def scenario() -> None:
        idempotency = Idempotency()
        assert idempotency.find(asked("a"), None, "ann") is None
        future = await remember(idempotency, "a")
        assert idempotency.find(asked("a"), None, "ann") is future
        for question, version in ((asked("a", "N2"), None), (asked("a"), 3)):
            with pytest.raises(Conflict, match="give every request its own"):
                idempotency.find(question, version, "ann")

    asyncio.run(scenario())


def test_a_key_is_its_callers_own() -> None:
    async def scenario() -> None:
        idempotency = Idempotency()
        future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        idempotency.open(asked("a"), None, "ann", future)
        assert idempotency.find(asked("a"), None, "ann") is future
        for caller in "bob", "":
            assert idempotency.find(asked("a", "N2"), None, caller) is None

    asyncio.run(scenario())


def test_only_the_newest_keys_are_remembered() -> None:
    async def scenario() -> None:
        idempotency = Idempotency(most=2)
        for key in "abc":
            (await remember(idempotency, key)).set_result([ANSWER])
        assert idempotency.find(asked("a", "N2"), None, "ann") is None
        assert idempotency.find(asked("c"), None, "ann") is not None

    asyncio.run(scenario())


@pytest.mark.parametrize("ending", ["error", "cancelled"])
def test_what_failed_is_forgotten(ending: str) -> None:
    async def scenario() -> None:
        idempotency = Idempotency()
        future = await remember(idempotency, "a")
        if ending == "error":
            future.set_exception(RuntimeError())
        else:
            future.cancel()
        await asyncio.sleep(0)
        assert idempotency.find(asked("a", "N2"), None, "ann") is None

    asyncio.run(scenario())


def test_a_question_without_a_key_is_never_remembered() -> None:
    async def scenario() -> None:
        idempotency = Idempotency()
        plain = Question("N1", (1.0,))
        idempotency.open(plain, None, "ann", asyncio.get_running_loop().create_future())
        assert idempotency.find(plain, None, "ann") is None

    asyncio.run(scenario())
