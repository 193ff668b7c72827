"""How fast a running Windvane decides: one decision a request, different rows, by concurrency.

windvane up && windvane train flight-delay && windvane deploy flight-delay
python -m benchmarks.decide
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from configs.load import load_model, load_settings
from training.data import gather

ROWS = 2000


def requests(model: str, host: str, count: int) -> list[bytes]:
    """That many real rows as HTTP requests, ready to send."""
    settings = load_settings()
    spec = load_model(model, settings)
    table = gather(spec).table
    places = np.linspace(0, table.num_rows - 1, count).astype(int)
    found = []
    for row in table.take(places).to_pylist():
        body: dict[str, Any] = {"subject": "bench", "features": {each.name: row[each.name] for each in spec.features}}
        text = json.dumps(body).encode()
        head = f"POST /v2/models/{model}/decide HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        found.append(head.encode() + b"content-length: %d\r\n\r\n" % len(text) + text)
    return found


async def client(host: str, port: int, sent: list[bytes], until: float, took: list[float], failed: list[str]) -> None:
    """One connection, one request after another."""
    reader, writer = await asyncio.open_connection(host, port)
    turn = 0
    while (start := time.perf_counter()) < until:
        writer.write(sent[turn % len(sent)])
        turn += 1
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await reader.readexactly(length)
        if b" 200 " in head[:15]:
            took.append(time.perf_counter() - start)
        else:
            failed.append(body.decode()[:200])
    writer.close()


async def load(host: str, port: int, sent: list[bytes], concurrency: int, seconds: float) -> dict[str, float]:
    """Closed loop: so many connections, each as fast as it is answered; a second of it is warm-up."""
    failed: list[str] = []
    for span in (1.0, seconds):
        took: list[float] = []
        until = time.perf_counter() + span
        shares = [sent[offset::concurrency] for offset in range(concurrency)]
        await asyncio.gather(*(client(host, port, share, until, took, failed) for share in shares))
    if failed:
        raise click.ClickException(f"{len(failed)} requests failed, the first with {failed[0]}")
    milliseconds = np.array(took) * 1000.0
    return {
        "concurrency": concurrency,
        "per_second": len(took) / seconds,
        "p50_ms": float(np.quantile(milliseconds, 0.5)),
        "p99_ms": float(np.quantile(milliseconds, 0.99)),
    }


@click.command()
@click.option("--model", default="flight-delay")
@click.option("--seconds", default=6.0)
@click.option("--out", type=click.Path(path_type=Path))
def main(model: str, seconds: float, out: Path | None) -> None:
    """Print decisions per second and latency at 1, 8 and 64 connections."""
    settings = load_settings()
    sent = requests(model, settings.host, ROWS)
    results = []
    click.echo("connections  decisions/s   p50 ms   p99 ms")
    for concurrency in (1, 8, 64):
        result = asyncio.run(load(settings.host, settings.port, sent, concurrency, seconds))
        results.append(result)
        click.echo(
            f"{concurrency:>11}  {result['per_second']:>11,.0f}  {result['p50_ms']:>7.2f}  {result['p99_ms']:>7.2f}"
        )
    if out is not None:
        out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
