"""A machine on which nothing stands in the way of a Windvane."""

from pathlib import Path

from windvane.cluster.host.machine import Machine

FINE = Machine(
    user="ada",
    said_user="ada",
    listeners={},
    first_open_port=1024,
    host_is_here=True,
    socket_folder=Path("/srv/wv/run"),
    home_obstacle="",
    disk_free_bytes=50_000_000_000,
    disk_used_share=0.5,
    file_system="ext4",
    runs_programs=True,
    memory_free_bytes=16_000_000_000,
    shared_memory_bytes=8_000_000_000,
    open_files=1_048_576,
    wrong_versions=(),
    keeps_bytecode=True,
)
