"""Who runs in one round of the bench, one server at a time, each started when its turn comes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from benchmarks import dialects, environments
from benchmarks.dialects import Dialect
from benchmarks.model import bundle
from benchmarks.servers import Running, module, process, script
from benchmarks.world import NAME, World, spec_with, world
from cluster.errors import WindvaneError

LEVELS = (1, 8, 32, 64)  # connections
FEW = (1, 8)  # for requests of 256 rows: a replica lets 4,096 rows wait
PEERS = {
    "kserve": {"kserve-v1": dialects.V1, "kserve-v2": dialects.V2},
    "mlserver": {"mlserver": dialects.V2},
    "bentoml": {"bentoml": dialects.BENTOML},
    "litserve": {"litserve": dialects.LITSERVE},
    "mlflow": {"mlflow-serve": dialects.MLFLOW},
}
FASTEST_PEER = "kserve"  # in every full run so far, so the one that a quick run compares with
RAY = "benchmarks.apps.ray_serve"
Progress: TypeAlias = Callable[[str], None]


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


def everyone(progress: Progress) -> Iterator[Turn]:
    """A whole round."""
    yield from floor()
    yield from ray_by_default()
    for peer in PEERS:
        yield from peers(peer, progress)
    with world() as place:
        yield from ray_in_our_mode(place, ("hello", "bare"))
        place.control()
        yield from windvane(place)


def a_few(progress: Progress) -> Iterator[Turn]:
    """What says most, in under three minutes."""
    yield from floor()
    yield from peers(FASTEST_PEER, progress)
    with world() as place:
        yield from ray_in_our_mode(place, ("hello",))
        place.control()
        yield from governed(place, {"windvane": dialects.DECIDE})


def floor() -> Iterator[Turn]:
    """uvicorn and ONNX Runtime."""
    with process(module("benchmarks.apps.bare", _model()), dialects.PLAIN) as running:
        yield Entry("floor", dialects.PLAIN, running)


def ray_by_default() -> Iterator[Turn]:
    """Ray Serve as it comes."""
    for name, dialect in (("hello", dialects.HELLO), ("bare", dialects.PLAIN), ("canary", dialects.PLAIN)):
        with process(module(RAY, _model(), name), dialect) as running:
            yield Entry(f"ray-default-{name}", dialect, running)


def peers(peer: str, progress: Progress) -> Iterator[Turn]:
    """One peer in its own environment; absent when it cannot be installed or does not answer."""
    formats = PEERS[peer]
    try:
        python = environments.ensure(peer, progress)
        first = next(iter(formats.values()))
        with process(script(python, environments.RECIPES / peer / "serve.py", _model()), first) as running:
            for name, dialect in formats.items():
                yield Entry(name, dialect, running)
    except WindvaneError as error:
        for name in formats:
            yield Absent(name, str(error))


def ray_in_our_mode(place: World, names: tuple[str, ...]) -> Iterator[Turn]:
    """Ray Serve behind HAProxy in its throughput mode, on the head that Windvane runs on, without Windvane."""
    routes = {"hello": dialects.HELLO, "bare": dialects.PLAIN}
    for name in names:
        place.declare("/", f"{RAY}:build_{name}", {"path": _model(), "quiet": True}, "/")
        yield Entry(f"ray-{name}", routes[name], _running(place))
        place.clear()


def windvane(place: World) -> Iterator[Turn]:
    """Windvane as `windvane up` runs it, control and monitor beside the replica."""
    place.serve(builder="benchmarks.apps.unlogged:build")
    yield Entry("windvane-unlogged", dialects.DECIDE, _running(place))
    yield from governed(
        place,
        {
            "windvane": dialects.DECIDE,
            "windvane-oip-json": dialects.V2,
            "windvane-oip-binary": dialects.BINARY,
            "windvane-oip-binary-256": dialects.BINARY_256,
            "windvane-oip-grpc": dialects.GRPC,
        },
    )
    place.serve(spec_with(explanations="always"))
    yield Entry("windvane-explained", dialects.EXPLAINED, _running(place))


def governed(place: World, formats: dict[str, Dialect]) -> Iterator[Turn]:
    """The decision log `committed`, counts, metrics: what is declared by default."""
    place.serve(spec_with(durability="committed"))
    for name, dialect in formats.items():
        port = place.settings.grpc_port if dialect.grpc else place.settings.port
        levels = LEVELS if dialect.rows == 1 else FEW
        yield Entry(name, dialect, Running(port, place.family), levels)


def _running(place: World) -> Running:
    return Running(place.settings.port, place.family)


def _model() -> str:
    return str(bundle().onnx_path.resolve())


assert NAME == dialects.NAME
