"""Servers in one round of the bench, one at a time, each started when its turn comes."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from benchmarks import dialects, environments
from benchmarks.dialects import Dialect
from benchmarks.model import about_people, bundle
from benchmarks.servers import Running, module, process, script
from benchmarks.world import World, spec_with, world
from windvane.cluster.errors import Unavailable
from windvane.configs.schema import ModelSpec

LEVELS = (1, 8, 32, 64)  # connections
FEW = (1, 8)  # for requests of 256 rows: a replica lets 4,096 rows wait
PEERS = {
    "kserve": {"kserve-v1": dialects.V1, "kserve-v2": dialects.V2},
    "mlserver": {"mlserver": dialects.V2},
    "bentoml": {"bentoml": dialects.BENTOML},
    "litserve": {"litserve": dialects.LITSERVE},
    "mlflow": {"mlflow-serve": dialects.MLFLOW},
}
PROMISED_MS = 2000.0
RAY_HERE = {"ray-hello": dialects.HELLO, "ray-bare": dialects.PLAIN}
GOVERNED = {
    "windvane": dialects.DECIDE,
    "windvane-oip-json": dialects.V2,
    "windvane-oip-binary": dialects.BINARY,
    "windvane-oip-grpc": dialects.GRPC,
    "windvane-oip-binary-256": dialects.BINARY_256,
}
WINDVANE = ("windvane-unlogged", "windvane-people", "windvane-explained", *GOVERNED)
QUICK = ("floor", "kserve-v1", "ray-hello", "windvane")  # KServe's v1 is the fastest peer in every full run so far
RAY = "benchmarks.apps.ray_serve"
Progress: TypeAlias = Callable[[str], None]
Wanted: TypeAlias = Callable[[str], bool]  # whether the server of this name is to be measured


@dataclass(frozen=True, slots=True)
class Entry:
    """A server that is running now, under the name it has in the table."""

    name: str
    dialect: Dialect
    running: Running
    levels: tuple[int, ...] = LEVELS


@dataclass(frozen=True, slots=True)
class Absent:
    """One that could not be started, and why."""

    name: str
    why: str


Turn: TypeAlias = Entry | Absent


def everyone(wanted: Wanted, progress: Progress) -> Generator[Turn, None, None]:
    """A whole round; a server that nobody wants is not started."""
    yield from floor(wanted)
    yield from ray_by_default(wanted)
    for peer in PEERS:
        yield from peers(peer, wanted, progress)
    if any(map(wanted, (*RAY_HERE, *WINDVANE))):
        with world() as place:
            yield from ray_in_our_mode(place, wanted)
            if any(map(wanted, WINDVANE)):
                place.control()
                yield from windvane(place, wanted)


def floor(wanted: Wanted) -> Iterator[Turn]:
    """uvicorn and ONNX Runtime."""
    if wanted("floor"):
        with process(module("benchmarks.apps.bare", _model()), dialects.PLAIN) as running:
            yield Entry("floor", dialects.PLAIN, running)


def ray_by_default(wanted: Wanted) -> Iterator[Turn]:
    """Ray Serve as it comes."""
    for name, dialect in (("hello", dialects.HELLO), ("bare", dialects.PLAIN), ("canary", dialects.PLAIN)):
        if wanted(f"ray-default-{name}"):
            with process(module(RAY, _model(), name), dialect) as running:
                yield Entry(f"ray-default-{name}", dialect, running)


def peers(peer: str, wanted: Wanted, progress: Progress) -> Iterator[Turn]:
    """One peer in its own environment; absent when it cannot be installed or does not answer."""
    formats = {name: dialect for name, dialect in PEERS[peer].items() if wanted(name)}
    if not formats:
        return
    try:
        python = environments.ensure(peer, progress)
        first = next(iter(formats.values()))
        with process(script(python, environments.RECIPES / peer / "serve.py", _model()), first) as running:
            for name, dialect in formats.items():
                yield Entry(name, dialect, running)
    except Unavailable as error:
        for name in formats:
            yield Absent(name, str(error))


def ray_in_our_mode(place: World, wanted: Wanted) -> Iterator[Turn]:
    """Ray Serve behind HAProxy in its throughput mode, on the head that Windvane runs on, without Windvane."""
    for name, dialect in RAY_HERE.items():
        if wanted(name):
            builder = f"{RAY}:build_{name.removeprefix('ray-')}"
            place.declare("/", builder, {"path": _model(), "quiet": True}, "/")
            yield Entry(name, dialect, Running(place.settings.port, place.family))
            place.clear()


def windvane(place: World, wanted: Wanted) -> Iterator[Turn]:
    """Windvane as `windvane up` runs it, control and monitor beside the replica.

    Those that are compared at 64 connections come one after the other, and requests of 256 rows after them: a minute of
    those leaves control millions of records to seal.
    """
    if wanted("windvane-unlogged"):
        place.serve(_declared(), "benchmarks.apps.unlogged:build")
        yield Entry("windvane-unlogged", dialects.DECIDE, _running(place))
    if wanted("windvane-people"):
        place.serve(about_people(_declared()))
        yield Entry("windvane-people", dialects.PEOPLE, _running(place))
    if wanted("windvane-explained"):
        place.serve(_declared(explanations="always"))
        yield Entry("windvane-explained", dialects.EXPLAINED, _running(place))
    governed = {name: dialect for name, dialect in GOVERNED.items() if wanted(name)}
    if governed:
        place.serve(_declared())
        for name, dialect in governed.items():
            port = place.settings.grpc_port if dialect.grpc else place.settings.port
            running = Running(port, place.family, place.headers)
            yield Entry(name, dialect, running, LEVELS if dialect.rows == 1 else FEW)


def _declared(**serving: str) -> ModelSpec:
    """The model with `committed` logs and a promise so wide that a disturbance is seen as latency, not refused."""
    declared = spec_with(durability="committed", **serving).model_dump(mode="json")
    return ModelSpec.model_validate(declared | {"slo": {"latency_p99_ms": PROMISED_MS}})


def _running(place: World) -> Running:
    return Running(place.settings.port, place.family, place.headers)


def _model() -> str:
    return str(bundle().onnx_path.resolve())
