"""Who runs this process, as the system knows it: variables such as LOGNAME say what whoever set them likes."""

import os
import pwd


def user_name() -> str:
    """The name of the effective user, or `uid 1234` where the system has no name for it, as in many containers."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"
