"""Explains why a job failed, from Ray's word: its own FAILED line, else how it ended, never what it printed.

What a job prints may hold rows of data: it stays in the job's log, and goes into no event, store or status.
"""

import re

LONGEST = 500
FAILED = "FAILED: "  # what a job of ours says before it ends with 1
_EXIT = re.compile(r"exit(?:ed)? (?:with )?code (-?\d+)")
_TRACEBACK = "Traceback (most recent call last)"
_EXCEPTION = re.compile(r"^ .*\n(?:[A-Za-z_]\w*\.)*([A-Z]\w*)(?=:|$)", re.MULTILINE)  # after its last indented line
_OF_RAY = re.compile(
    r"runtime_env setup failed|Job supervisor actor [a-z ]+|Failed to start supervisor actor|Unexpected"
)
_SIGNALS = {9: "killed (SIGKILL), as by the kernel when memory runs out", 15: "ended from outside (SIGTERM)"}


def reason(message: str) -> str:
    """One sentence.

    >>> reason("Job exited with code 1, last lines:\\n[ 2.7 s] data …\\n[ 4.0 s] FAILED: no rows\\n")
    'no rows'
    >>> reason("Job failed with exit code 2, last logs:\\n44;Ann")
    'it ended with exit code 2; its log says why'
    >>> reason("Job failed with exit code -9. No logs available.")
    'it was killed (SIGKILL), as by the kernel when memory runs out; its log has its last words'
    """
    _, found, said = message.rpartition(FAILED)
    if found:
        return said.strip().partition("\n")[0][:LONGEST]
    head = message.partition("\n")[0]
    code = _EXIT.search(head)
    if code is None:
        rays = _OF_RAY.search(head)
        return f"Ray says: {rays[0].strip()}; its dashboard says why" if rays else "it failed; its log says why"
    number = int(code[1])
    signal = _SIGNALS.get(-number if number < 0 else number - 128)
    if signal is not None:
        return f"it was {signal}; its log has its last words"
    _, traced, after = message.rpartition(_TRACEBACK)
    raised = _EXCEPTION.search(after) if traced else None
    named = f" on {raised[1]}" if raised else ""
    return f"it ended{named} with exit code {number}; its log says why"
