"""A job's output may hold rows of data: of why it failed goes on only what is ours or Ray's to say."""

import pytest

from windvane.cluster.faults.job_failure import LONGEST, reason

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 3, in <module>\n    read()\n'
ENDED = "Job entrypoint command failed with exit code {}, last available logs (truncated to 20,000 chars):\n"
ROW = "44;Anna Schmidt;987654321"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (ENDED.format(1) + "[0.1 s] data\n[0.2 s] FAILED: Column 'income', row 7: is above max 500", "Column 'income'"),
        (ENDED.format(1) + TRACEBACK + f"pyarrow.lib.ArrowInvalid: CSV parse error: {ROW}", "it ended on ArrowInvalid"),
        (ENDED.format(1) + TRACEBACK + f"ValueError: {ROW}\n{ROW}", "it ended on ValueError with exit code 1"),
        (ENDED.format(1) + TRACEBACK + f"KeyboardInterrupt\n{ROW}", "it ended on KeyboardInterrupt"),
        (ENDED.format(3) + ROW, "it ended with exit code 3; its log says why"),
        (ENDED.format(-9) + ROW, "it was killed (SIGKILL)"),
        (ENDED.format(137) + ROW, "it was killed (SIGKILL)"),
        (ENDED.format(-15) + ROW, "it was ended from outside"),
        (f"runtime_env setup failed: {ROW}", "Ray says: runtime_env setup failed"),
        (f"Job supervisor actor died: {ROW}", "Ray says: Job supervisor actor died"),
        (f"Unexpected error occurred: {ROW}", "Ray says: Unexpected"),
        (ROW, "it failed; its log says why"),
        ("", "it failed; its log says why"),
    ],
)
def test_a_failure_is_told_without_what_the_job_printed(message: str, why: str) -> None:
    told = reason(message)
    assert told.startswith(why)
    assert "Schmidt" not in told
    assert "987654321" not in told


def test_only_the_line_that_says_why_goes_on_and_not_without_end() -> None:
    assert reason(f"FAILED: no rows\n{ROW}") == "no rows"
    assert len(reason("FAILED: " + "x" * 9999)) == LONGEST
