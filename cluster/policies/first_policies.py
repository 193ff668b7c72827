"""A new Windvane's first policy set: without one nothing would be allowed, also not to publish one."""

from contextlib import closing
from datetime import datetime

from windvane.cluster.policies.cedar_rules import compile_policies
from windvane.cluster.policies.policy_library import PolicyLibrary
from windvane.cluster.policies.policy_set import read_policies
from windvane.cluster.sql_store import SqlStore
from windvane.configs.load import policies_dir
from windvane.configs.settings import Settings

WINDVANE = "windvane"  # who asked for it


def first_policies(settings: Settings, now: datetime) -> str:
    """Put the set beside the models, or the packaged one, in force where none is; returns what there is to tell.

    A set that is in force stays, whatever lies in the folder: changing it is for people to ask for and to approve.
    Raises Invalid when the first set cannot be taken.
    """
    folder = policies_dir(settings)
    written = read_policies(folder)
    with closing(SqlStore(settings.store_url)) as store:
        library = PolicyLibrary(store, compile_policies)
        live = library.register().live
        if live is None:
            library.install(written, WINDVANE, f"the first set, from {folder.name}", now)
        elif live.version != written.version:
            return f"the policies in {folder} are not those in force: `windvane policy publish` asks for them"
    return ""
