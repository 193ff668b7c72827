"""Names the user of this process as the system knows it: variables such as LOGNAME say what whoever set them likes."""

import os
import pwd
from pathlib import Path


def user_name() -> str:
    """The name of the effective user, or `uid 1234` where the system has no name for it, as in many containers."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"


def have_a_home() -> None:
    """Give HOME to a user without a folder, as in many containers: libraries ask for it as they are imported."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(Path(os.environ.get("WINDVANE_HOME") or "var").absolute())
