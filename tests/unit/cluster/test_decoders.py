"""Threads that need a record's decoder first, at once, all get it."""

import subprocess
import sys

from windvane.cluster.decoders import json_decoder

RACE = """
import msgspec, sys, threading
from windvane.cluster.decoders import json_decoder
sys.setswitchinterval(1e-6)
for _ in range(400):
    part = msgspec.defstruct("Part", [("a", int), ("b", float)])
    whole = msgspec.defstruct("Whole", [(f"part{k}", part) for k in range(6)] + [("all", dict[str, part])])
    text = msgspec.json.encode({f"part{k}": {"a": 1, "b": 2.0} for k in range(6)} | {"all": {}})
    together = threading.Barrier(3)
    def read():
        together.wait()
        json_decoder(whole).decode(text)
    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("lived")
"""


def test_a_decoder_is_built_once() -> None:
    assert json_decoder(dict[str, int]) is json_decoder(dict[str, int])


def test_threads_that_read_a_record_first_at_once_do_not_end_the_process() -> None:
    """A replica that loaded two versions at once died of a segmentation fault in msgspec."""
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, timeout=60)
    assert done.stdout == "lived\n", done.stderr
