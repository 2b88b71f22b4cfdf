"""What goes through the sessions `archive` and `restore`: a volume as a tar stream, out of the engine and into it."""

import msgspec

ARCHIVE, RESTORE = "archive", "restore"
"""The kinds of session."""
BYTES, END, FILL = 0, 1, 2
"""Tags of frames: a part of the archive; with no body, that all of it came; and, first of all to `restore`, a `Filling`."""
DONE, REFUSED, FAILED, SLOW = "done", "refused", "failed", "too_slow"
"""How it ended: `refused` is the archive's fault, `failed` the engine's, `too_slow` that of the other side; `detail` says why."""


class VolumeSession(msgspec.Struct, frozen=True, kw_only=True):
    """`dockup.rpc.runtime.open`: with kind `archive` the data is read that the volume has in `copy`; with `restore` that stays as it is."""

    project_id: str
    volume: str
    copy: int


class Filling(msgspec.Struct, frozen=True, kw_only=True):
    """Make this copy from what comes, while `current` is the volume's. No other above that may become the volume: they are nobody's."""

    copy: int
    current: int


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """The detail of `done` after a restore, as JSON: what came into the volume."""

    files: int
    size_bytes: int
