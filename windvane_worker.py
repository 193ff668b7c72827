"""Imported by every worker process of our Ray head as it starts (RAY_preload_python_modules): pins and preloads."""

import os

from windvane_start import pin

pin()

from serve_apps.preload import preload  # noqa: E402  ours only once the names are pinned

preload(os.environ)
