"""Takes out of HAProxy's configuration what it would tell anybody: which applications there are, how they fare.

Whoever may not use a model does not learn that there is one (docs/access.md), and Ray lists all of them at `/-/routes`,
at `ListApplications` and on HAProxy's page of statistics, the last of which it opens on every interface. Its line about
every request goes to port 514, whoever listens there; the decision log has the requests.
"""

import re

from windvane.cluster.runtime.ray_source import changed

# Sections that listen on this machine only; a frontend of ours stands beside the last (`grpc_frontend`).
LOCAL = ("frontend prometheus", "listen stats", "frontend grpc_frontend")
# Every section that Ray writes: another one may be open, and by another name no queue and no model would be found.
SECTIONS = re.compile(
    rf"global|defaults|frontend http_frontend|{'|'.join(LOCAL)}"
    r"|backend (?:default_backend|default_grpc_backend|grpc_fallback_backend|(?:http|grpc)-\S+)"
)
TOLD, LISTED, LOGGED = "http-request return … if routes", "… if is_list_applications", "option httplog"
_REFUSED = 'status 200 content-type application/grpc hdr grpc-status 5 hdr grpc-message "There is nothing here"'
_RULES = {
    TOLD: (re.compile(r"^(\s*)http-request return .* if routes$"), r"\1http-request return status 404 if routes"),
    LISTED: (
        re.compile(r"^(\s*)(?:use_backend \S+|http-request return .*) if is_list_applications$"),
        rf"\1http-request return {_REFUSED} if is_list_applications",
    ),
    LOGGED: (re.compile(r"^(\s*)option (?:httplog|dontlog-normal)$"), r"\1option dontlog-normal"),
}
_BIND = re.compile(r"^(\s+)bind [^\s,]*:(\d+)(?=\s|$)")


def closed(configuration: str) -> str:
    """The same without; what is closed already stays as it is.

    Raises Unavailable where Ray's configuration has none of what is to be closed, or a section that is not known.
    """
    section, lines, found = "", [], set()
    for line in configuration.split("\n"):
        if line and not line[0].isspace():
            section = line.strip()
            if not SECTIONS.fullmatch(section):
                raise changed(f"HAProxy is not started: its configuration has a section {section!r}")
        elif section in LOCAL and line.lstrip().startswith("bind "):
            line, bound = _BIND.subn(r"\1bind 127.0.0.1:\2", line)
            if not bound:
                raise changed(f"HAProxy is not started: {section!r} has {line.strip()!r}")
            found.add(section)
        for name, (pattern, instead) in _RULES.items():
            line, replaced = pattern.subn(instead, line)
            found.update([name] * replaced)
        lines.append(line)
    if missing := [name for name in (*LOCAL, *_RULES) if name not in found]:
        raise changed(f"HAProxy is not started: its configuration lacks {', '.join(map(repr, missing))}")
    return "\n".join(lines)
