"""The engine's own BuildKit: its cache."""

import msgspec

from libs.common.engine.connect import Engine


class _Pruned(msgspec.Struct, rename="pascal"):
    space_reclaimed: int = 0


async def prune(engine: Engine, keep_bytes: int) -> int:
    """Remove the least recently used of the build cache beyond `keep_bytes`; return how many bytes went. Nothing in use goes."""
    answer = await engine.call(engine.long.prune_builds, keep_storage=keep_bytes, all=True)
    return msgspec.convert(answer, _Pruned).space_reclaimed
