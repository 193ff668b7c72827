"""Puts into HAProxy's configuration what a connection may take: time for its headers, and a share of all of them.

Ray's has neither: headers that trickle renew the time that a client has, and as many connections as HAProxy keeps close
HTTP and gRPC for everybody, before anyone is asked for a key.
"""

import re

from windvane.cluster.runtime.ray_source import changed

SLOWEST_HEADERS = "5s"  # from a request's first byte, a connection's own to the end of its headers
MOST_PER_SOURCE = 2048  # connections, HTTP and gRPC together: half of Ray's maxconn
TABLE = "http_frontend"  # in HAProxy a frontend's table has the frontend's name
# IPv6 by /64: who has one address there has all of them.
COUNTED = f"""    tcp-request connection track-sc0 src,ipmask(32,64) table {TABLE}
    tcp-request connection reject if {{ sc0_conn_cur gt {MOST_PER_SOURCE} }}
"""
_TIMEOUT = f"    timeout http-request {SLOWEST_HEADERS}\n"
_SILENT = "    option http-ignore-probes\n"  # a client that opens connections in advance reads no 408 as its answer
_KEPT = "    stick-table type ipv6 size 16k expire 10s store conn_cur\n"
_CLIENT = re.compile(r"^[ \t]*timeout client .*\n", re.MULTILINE)
_FRONTEND = re.compile(rf"^frontend {TABLE}\n", re.MULTILINE)


def limited(configuration: str) -> str:
    """The same with these limits; what has them already stays as it is.

    Raises Unavailable where Ray's configuration has no place for them, or a limit of headers of its own.
    """
    if _TIMEOUT + _SILENT in configuration and _KEPT + COUNTED in configuration:
        return configuration
    if re.search(r"^[ \t]*timeout http-request ", configuration, re.MULTILINE):
        raise changed("HAProxy is not started: its configuration has a 'timeout http-request' that is not ours")
    for pattern, added in ((_CLIENT, _TIMEOUT + _SILENT), (_FRONTEND, _KEPT + COUNTED)):
        configuration, found = pattern.subn(rf"\g<0>{added}", configuration)
        if found != 1:
            raise changed(f"HAProxy is not started: its configuration matches {pattern.pattern!r} {found} times")
    return configuration
