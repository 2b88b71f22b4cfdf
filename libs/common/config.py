"""Settings: environment variables with the prefix `DOCKUP_`, read once into a frozen struct a service."""

import os
from collections.abc import Mapping
from typing import Literal, TypeVar, get_args, get_origin

import msgspec

from libs.common.errors import DockupError

T = TypeVar("T", bound=msgspec.Struct)
PREFIX = "DOCKUP_"
_MAY_HOLD_SECRETS = frozenset({"DOCKUP_ACME_DNS_OPTIONS"})
"""Whose name does not say it: such an option may be a DNS host's token."""


class SettingError(DockupError):
    """A setting is missing or wrong; the message names the variable and what it takes."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


class Common(msgspec.Struct, frozen=True, kw_only=True):
    """What every service is told. `instance` names this installation on an engine that it may share with others."""

    home: str
    instance: str
    nats_url: str
    log_level: str = "info"


def load(kind: type[T], environ: Mapping[str, str] | None = None) -> T:
    """Read `kind` from `environ` (default: the process's own); `SettingError` for the first one that is missing or wrong.

    An empty value counts as not set, as it does for a shell's `${NAME:-default}`.
    """
    source = os.environ if environ is None else environ
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        name = PREFIX + field.name.upper()
        text = source.get(name, "").strip()
        if text:
            values[field.name] = _value(name, text, field.type)
        elif field.required:
            raise SettingError(name, "is not set")
    return msgspec.convert(values, kind)


def _value(name: str, text: str, kind: object) -> object:
    raw: object = [part.strip() for part in text.split(",") if part.strip()] if _is_list(kind) else text
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        takes = f"it takes {' or '.join(map(str, choices))}" if choices else str(error)
        raise SettingError(name, f"is {_shown(name, text)}: {takes}") from error


def _shown(name: str, text: str) -> str:
    """A wrong value helps who set it, and it goes into logs: nothing that may be a password."""
    from libs.common.secrets import is_secret_name  # noqa: PLC0415 - verbs import late, and this brings a library along

    is_secret = is_secret_name(name) or name in _MAY_HOLD_SECRETS or ("://" in text and "@" in text)
    return "not what it takes (it may be a secret, and is not shown)" if is_secret else f"{text!r}, which does not fit"


def _is_list(kind: object) -> bool:
    return getattr(kind, "__origin__", None) in {tuple, list}
