"""Builders that are used when they are asked for by name and are on the PATH: railpack and pack."""

import os
import shutil
from pathlib import Path

from libs.common.image_names import held_as
from libs.common.messages.builder import BuildImage
from services.builder.failed import because

NAMES = ("railpack", "pack")
_TOLD = ("BUILDKIT_HOST", "PACK_HOME")


def environment() -> dict[str, str]:
    """What the operator tells these programs: railpack builds on a BuildKit of its own, pack reads its default builder."""
    return {name: os.environ[name] for name in _TOLD if os.environ.get(name)}


def command(message: BuildImage, context: Path) -> list[str]:
    """How the program that the message names builds `context`; `Failed` where it is unknown or not on this machine."""
    if message.builder not in NAMES:
        raise because("builder_missing", f"{message.builder[:100]!r} is no builder: there are auto, {' and '.join(NAMES)}.")
    found = shutil.which(message.builder)
    if found is None:
        raise because("builder_missing", f"{message.builder} is not on the PATH of the builder.")
    name = held_as(message.app_id, message.release)
    env = [word for key, value in message.args.items() for word in ("--env", f"{key}={value}")]
    if message.builder == "railpack":
        return [found, "build", "--progress", "plain", "--name", name, *env, str(context)]
    # A repository may name its builder image, which is not trusted: it gets neither root nor the engine's socket.
    return [found, "build", name, "--path", str(context), "--no-color", *env]
