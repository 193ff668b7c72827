"""Imported by every worker process of our Ray head as it starts (RAY_preload_python_modules)."""

import os

from windvane.cluster.faults.log_redaction import redact_logs
from windvane.serve_apps.preload import preload

redact_logs()
preload(os.environ)
