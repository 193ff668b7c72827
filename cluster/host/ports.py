"""Every TCP port of a Windvane on this machine, and which setting moves it."""

from dataclasses import dataclass

from windvane.configs.settings import Settings

# What follows the HTTP port: 8000 gives Ray's own 8404, 8500, 9101 and 9500.
STATISTICS, FALLBACK_HTTP, METRICS, FALLBACK_GRPC, RAY_CLIENT = 404, 500, 1101, 1500, 2001
RAYS_GRPC = 202  # from our gRPC port to Ray's own frontend, which needs a port although nobody is sent there

# Replicas listen for gRPC with SO_REUSEPORT: on Ray's own 40000 two Windvanes of one user would answer for each other.
FIRST_REPLICA_GRPC, REPLICA_GRPC_PORTS = 40_000, 100
REPLICA_HTTP = range(30_000, 31_001)  # of which Ray Serve gives one to each replica
HIGHEST = 65_535


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """A port that one of our processes listens on."""

    number: int
    use: str
    setting: str  # the variable that moves it


def ports(settings: Settings) -> tuple[Port, ...]:
    """Every port that a head of ours binds, the replicas' aside."""
    http = "WINDVANE_PORT"
    return (
        Port(settings.port, "decisions and the console", http),
        Port(settings.port + STATISTICS, "HAProxy's statistics", http),
        Port(settings.port + FALLBACK_HTTP, "Ray Serve's fallback proxy", http),
        Port(settings.port + METRICS, "HAProxy's metrics", http),
        Port(settings.port + FALLBACK_GRPC, "Ray Serve's fallback gRPC proxy", http),
        Port(settings.port + RAY_CLIENT, "Ray Client", http),
        Port(settings.grpc_port, "decisions over gRPC", "WINDVANE_GRPC_PORT"),
        Port(settings.grpc_port + RAYS_GRPC, "Ray Serve's own gRPC frontend", "WINDVANE_GRPC_PORT"),
        Port(settings.dashboard_port, "the Ray dashboard", "WINDVANE_DASHBOARD_PORT"),
    )


def replica_grpc_ports(port: int) -> range:
    """Of which each replica gets one, where the HTTP port is this."""
    first = FIRST_REPLICA_GRPC + REPLICA_GRPC_PORTS * (port % 199)
    return range(first, first + REPLICA_GRPC_PORTS)
