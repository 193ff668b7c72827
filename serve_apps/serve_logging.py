"""Routes our loggers to the files of Serve's logger, unbuffered, and keeps foreign messages out of them.

Ray Serve takes a replica's stderr for information. A Gateway writes warnings only, so ours were dropped, and in the
throughput mode Serve waits for a thousand lines before it writes one.
"""

import logging
from logging.handlers import MemoryHandler

from windvane.cluster.faults.log_redaction import redact_logs

SERVE = "ray.serve"  # Serve's own logger
OURS = "windvane"


def attach(serve: logging.Logger | None = None) -> None:
    """Hand what we say to the files that Serve's logger writes, past its buffer; without any it goes to stderr."""
    redact_logs()
    handlers = [_behind(handler) for handler in (serve or logging.getLogger(SERVE)).handlers]
    logger = logging.getLogger(OURS)
    logger.handlers = handlers
    logger.propagate = not handlers


def _behind(handler: logging.Handler) -> logging.Handler:
    """The handler that a buffer is written to."""
    return handler.target if isinstance(handler, MemoryHandler) and handler.target is not None else handler
