"""Measures one server: are its answers right, how many does it give, how soon, and what do they cost."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from time import perf_counter

import numpy as np
import onnxruntime
import psutil

from benchmarks import load, wrk
from benchmarks.dialects import Rows
from benchmarks.lineup import Entry
from benchmarks.load import Load, Traffic
from benchmarks.model import make_rows
from windvane.cluster.bundle import ONNX_INPUT, Bundle
from windvane.cluster.errors import WindvaneError

REQUESTS = 2000  # different ones, sent in turn
REQUESTS_OF_MANY_ROWS = 64
CHECKED = 20  # answers compared with ONNX Runtime's before the load
TOLERANCE = 1e-5
SETTLING_SECONDS = 10.0
OPEN_RATE = 1000.0  # requests a second
MANY_ROWS = 256
FIRST = 8


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds for which every server is asked before anything, and every concurrency warmed up and measured."""

    first: float = 2.0  # by FIRST connections: Windvane has seen every subject by then, on a slow machine too
    warm_up: float = 1.0
    measured: float = 3.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One server at one concurrency, or in the open loop, where `concurrency` is 0."""

    concurrency: int
    per_second: float  # requests answered
    rows_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_seconds: float  # of its whole process tree, for 1,000 requests
    memory_mib: float  # proportional set size of the tree, afterwards
    unanswered: float  # when the open loop ended, of those that were due
    generator: str


class Wrong(WindvaneError):
    """A server gave a wrong answer or none; its figures would say nothing."""


def measure(
    entry: Entry, session: onnxruntime.InferenceSession, span: Span, say: Callable[[str], None]
) -> list[Figure]:
    """All figures of one server in this round; raises Wrong when an answer differs or a request fails."""
    dialect = entry.dialect
    rows = make_rows(REQUESTS if dialect.rows == 1 else REQUESTS_OF_MANY_ROWS * dialect.rows)
    shown = entry.running.headers
    traffic = Traffic(entry.running.port, dialect.requests(rows, shown), dialect.path if dialect.grpc else None, shown)
    check(entry, traffic, rows, session)
    _closed(traffic, FIRST, span.first, entry.name)
    figures = []
    for concurrency in entry.levels:
        _closed(traffic, concurrency, span.warm_up, entry.name)
        figures.append(_figure(entry, concurrency, partial(_closed, traffic, concurrency, span.measured, entry.name)))
        say(f"{entry.name}, {concurrency} connections: {figures[-1].per_second:,.0f}/s")
    if dialect.rows == 1:
        figures.append(_figure(entry, 0, lambda: load.open_loop(traffic, OPEN_RATE, span.measured)))
        say(f"{entry.name}, {OPEN_RATE:,.0f}/s due: p99 {figures[-1].p99_ms:,.1f} ms")
    return figures


def check(entry: Entry, traffic: Traffic, rows: Rows, session: onnxruntime.InferenceSession) -> None:
    """Compare the first answers with ONNX Runtime's, to 1e-5."""
    size = entry.dialect.rows
    first = replace(traffic, requests=traffic.requests[:CHECKED])
    try:
        for place, reply in enumerate(_settled(first)):
            found = np.asarray(entry.dialect.read(reply))
            expected = probabilities(session, rows[place * size : (place + 1) * size])
            if entry.dialect.predicts and (len(found) != size or not np.allclose(found, expected, 0, TOLERANCE)):
                raise Wrong(f"{entry.name} answers request {place} with {found[:3]}, not {expected[:3]}")
    except (OSError, ValueError, LookupError) as error:
        raise Wrong(f"{entry.name} gave no answer that can be read: {error}") from error


def _settled(traffic: Traffic) -> list[bytes]:
    """The replies; HAProxy is loaded anew right after an application was deployed, and hangs up when it is."""
    deadline = perf_counter() + SETTLING_SECONDS
    while True:
        try:
            return load.exchange(traffic)
        except ConnectionError:
            if perf_counter() > deadline:
                raise


def probabilities(session: onnxruntime.InferenceSession, rows: Rows) -> Rows:
    """float32[n], the chance that the target is true."""
    found: Rows = session.run([session.get_outputs()[-1].name], {ONNX_INPUT: rows})[0][:, 1]
    return found


def open_session(bundle: Bundle) -> onnxruntime.InferenceSession:
    """ONNX Runtime on one thread, as every server of the bench runs it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(bundle.onnx_path), options, providers=["CPUExecutionProvider"])


def plain_rows_per_second(session: onnxruntime.InferenceSession, seconds: float = 2.0) -> float:
    """Rows a second of ONNX Runtime in this process: batches of 256 rows, different ones every time, on one thread."""
    batches = np.split(make_rows(REQUESTS_OF_MANY_ROWS * MANY_ROWS), REQUESTS_OF_MANY_ROWS)
    for batch in batches:
        probabilities(session, batch)
    done, start = 0, perf_counter()
    while (took := perf_counter() - start) < seconds:
        probabilities(session, batches[done % len(batches)])
        done += 1
    return done * MANY_ROWS / took


def median(rounds: Sequence[Figure]) -> Figure:
    """The median of every figure over the rounds."""
    numbers = [field.name for field in fields(Figure) if field.name not in ("concurrency", "generator")]
    medians = {name: statistics.median(getattr(each, name) for each in rounds) for name in numbers}
    return Figure(concurrency=rounds[0].concurrency, generator=rounds[0].generator, **medians)


def _closed(traffic: Traffic, concurrency: int, seconds: float, name: str) -> Load:
    closed_loop = wrk.closed_loop if traffic.method is None and wrk.installed() else load.closed_loop
    found = closed_loop(traffic, concurrency, seconds)
    if found.failed:
        raise Wrong(f"{name}: {found.failed} requests failed with {concurrency} connections: {found.first_failure}")
    return found


def _figure(entry: Entry, concurrency: int, run: Callable[[], Load]) -> Figure:
    before = cpu_by_process(entry.running.family())
    found = run()
    family = entry.running.family()
    spent = sum(seconds - before.get(pid, 0.0) for pid, seconds in cpu_by_process(family).items())
    if found.failed:
        raise Wrong(f"{entry.name}: {found.failed} requests failed: {found.first_failure}")
    return Figure(
        concurrency,
        found.per_second,
        found.per_second * entry.dialect.rows,
        found.p50_ms,
        found.p99_ms,
        spent / max(found.answered, 1) * 1000,
        memory_mib(family),
        float(found.unanswered),
        found.generator,
    )


def cpu_by_process(family: Iterable[psutil.Process]) -> dict[int, float]:
    """CPU seconds, user and system, that each process has taken so far."""
    taken = {}
    for process in family:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        taken[process.pid] = times.user + times.system
    return taken


def memory_mib(family: Iterable[psutil.Process]) -> float:
    """Proportional set size: a page that several share is counted once in all."""
    total = 0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**20
