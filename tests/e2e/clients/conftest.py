"""What stands here runs in environments of its own: these processes lack what it imports."""

collect_ignore_glob = ["ask_*.py"]
