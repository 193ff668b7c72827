"""Takes out of HAProxy's configuration what it would tell anybody: which applications there are, how they fare.

Whoever may not use a model does not learn that there is one (docs/access.md), and Ray lists all of them at `/-/routes`,
at `ListApplications` and on HAProxy's page of statistics, the last of which it opens on every interface.
"""

import re

_TOLD = re.compile(r"^([ \t]*)http-request return .* if routes$")
_LISTED = re.compile(r"^([ \t]*)(?:use_backend \S+|http-request return .*) if is_list_applications$")
_REFUSED = 'status 200 content-type application/grpc hdr grpc-status 5 hdr grpc-message "There is nothing here"'
# Sections that listen on this machine only; a frontend of ours stands beside the last (`grpc_frontend`).
LOCAL = (
    "frontend prometheus",
    "listen stats",
    "frontend grpc_frontend",
)


def closed(configuration: str) -> str:
    """The same without; what is closed already stays as it is.

    >>> print(closed('  acl routes path -i /-/routes\\n  http-request return status 200 string "{}" if routes'))
      acl routes path -i /-/routes
      http-request return status 404 if routes
    >>> print(closed("listen stats\\n  bind *:8404\\n  stats enable\\nfrontend http_frontend\\n  bind *:8000"))
    listen stats
      bind 127.0.0.1:8404
      stats enable
    frontend http_frontend
      bind *:8000
    """
    section = ""
    lines = []
    for line in configuration.split("\n"):
        if line and not line[0].isspace():
            section = line.strip()
        elif section in LOCAL and line.lstrip().startswith("bind "):
            line = re.sub(r"bind \S*?:(\d+)\b", r"bind 127.0.0.1:\1", line)
        line = _TOLD.sub(r"\1http-request return status 404 if routes", line)
        lines.append(_LISTED.sub(rf"\1http-request return {_REFUSED} if is_list_applications", line))
    return "\n".join(lines)
