"""Compiles kernels: by numba, without the interpreter's lock, and kept for other processes where that can be.

numba's cache of a function knows changes of the function's own file, and of the processor, only: so that a kept
function is compiled anew after a change of what it calls, that has to stand in one folder with it. What was compiled
from other sources stays in the cache's folder until somebody clears it.
"""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

logger = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """A part of a kernel, compiled along with it."""
    found: Function = njit(nogil=True, error_model="numpy")(function)
    return found


def kept(function: Function) -> Function:
    """Compiled once per machine where a folder can be written (NUMBA_CACHE_DIR, here, ~/.cache), else per process."""
    function.__qualname__ = f"{function.__qualname__}_{_sources(Path(function.__code__.co_filename).parent)}"
    try:
        found: Function = njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError as error:
        logger.warning(
            "%s is compiled anew in every process (set NUMBA_CACHE_DIR to keep it): %s", function.__module__, error
        )
        return compiled(function)
    return found


def _sources(folder: Path) -> str:
    """Digest of the folder's modules, in 12 digits: part of the name that a compiled function is kept under."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()[:12]
