"""Imported by every worker process of our Ray head as it starts (RAY_preload_python_modules): preloads."""

import os

from windvane.serve_apps.preload import preload

preload(os.environ)
