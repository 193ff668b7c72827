"""Another master key: every key that the former one wraps is wrapped anew, all of them or none."""

from pathlib import Path

from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.vault.file_kms import FileKms
from windvane.cluster.decision_log.vault.kms import WrongKey
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.errors import Unavailable

FRESH = ".new"  # beside the master key's file, until it takes its place


def rotate(keys: SqliteSubjectKeys, path: Path) -> int:
    """Put a fresh master key in the file and return how many keys it wraps; nothing may use the vault meanwhile.

    Killed anywhere, it is run again: the fresh key lies beside the former one from before the first key is wrapped anew
    until all are. Raises WrongKey when neither of the two opens the vault.
    """
    fresh = path.with_name(path.name + FRESH)
    former, new = FileKms(path), FileKms(fresh)

    def anew(wrapped: bytes, context: bytes) -> bytes:
        return new.wrap(former.unwrap(wrapped, context), context)

    try:
        count = keys.rewrap(anew)
    except WrongKey:
        count = keys.rewrap(lambda wrapped, context: new.wrap(new.unwrap(wrapped, context), context))
    try:
        disk.rename(fresh, path)
        disk.sync_folder(path.parent)
    except OSError as error:
        raise Unavailable(f"the fresh master key in {fresh} cannot take its place: {error}; rotate again") from error
    return count
