"""The settings that the supervisor itself reads, and where they come from: the environment first, then `dockup.env` in the state folder."""

import difflib
import importlib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from libs.common.config import PREFIX, SettingError, load
from libs.common.disks import Percent
from libs.supervisor.home import SERVICES, Home, State
from libs.supervisor.place import default_home

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
OF_THE_COMMAND_LINE = frozenset({"DOCKUP_URL", "DOCKUP_TOKEN", "DOCKUP_APP", "DOCKUP_PASSWORD", "DOCKUP_BACKUP_KEY"})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`nats_url` and `redis_url`, when set, name servers of the user's own, and none is started here."""

    base_domain: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")] = "localhost"
    http_port: Port | None = None
    https_port: Port | None = None
    api_port: Port | None = None
    docker_host: Annotated[str, msgspec.Meta(pattern=r"^(unix:///|tcp://|http://|https://)")] = "unix:///var/run/docker.sock"
    nats_url: str | None = None
    redis_url: str | None = None
    secret_key: str | None = None
    disk_high_percent: Percent = 80
    disk_full_percent: Percent = 95


def find_home() -> Home:
    root = os.environ.get("DOCKUP_HOME", "").strip()
    if root and not Path(root).is_absolute():
        raise SettingError("DOCKUP_HOME", f"is {root!r}; it takes an absolute path")
    return Home(Path(root) if root else default_home(os.geteuid(), dict(os.environ)))


def environment(home: Home) -> dict[str, str]:
    """This process's environment over what `dockup.env` says."""
    return {**read_env_file(home.settings_file), **{name: text for name, text in os.environ.items() if text}}


def read_env_file(path: Path) -> dict[str, str]:
    """Read `KEY=VALUE` lines, `#` comments and one pair of quotes around a value; `SettingError` names the line that is none."""
    found: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return found
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError("DOCKUP_HOME", f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.startswith(PREFIX):
            raise SettingError("DOCKUP_HOME", f"line {number} of {path} is not DOCKUP_NAME=VALUE")
        found[name.strip()] = _unquote(value.strip())
    return found


def env_line(name: str, value: str) -> str:
    """The line that `read_env_file` reads `value` from; `SettingError` where a line cannot hold it."""
    if value.splitlines() != [value]:
        raise SettingError(name, "has several lines; dockup.env takes one a setting")
    plain = value == _unquote(value.strip())
    return f"{name}={value}\n" if plain else f'{name}="{value}"\n'


def _unquote(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def settings_of(environ: Mapping[str, str]) -> Settings:
    return load(Settings, environ)


def service_environment(service: str, home: Home, state: State, environ: Mapping[str, str]) -> dict[str, str]:
    """Everything that `service` is told; the user's own settings pass through."""
    if state.ports is None:
        raise SettingError("DOCKUP_HOME", "no ports are chosen yet; start with `dockup up`")
    settings = settings_of(environ)
    given = {
        "DOCKUP_HOME": str(home.root),
        "DOCKUP_INSTANCE": state.instance,
        "DOCKUP_NATS_URL": settings.nats_url or _nats_url(service, state),
        "DOCKUP_REDIS_URL": settings.redis_url or f"unix://{home.redis_socket}",
        "DOCKUP_SECRET_KEY": settings.secret_key or state.secret_key,
        "DOCKUP_BASE_DOMAIN": settings.base_domain,
        "DOCKUP_HTTP_PORT": str(state.ports.http),
        "DOCKUP_HTTPS_PORT": str(state.ports.https),
        "DOCKUP_API_PORT": str(state.ports.api),
        "DOCKUP_DOCKER_HOST": settings.docker_host,
    }
    if service == "api":
        given["DOCKUP_NATS_SETUP_URL"] = environ.get("DOCKUP_NATS_SETUP_URL") or settings.nats_url or _nats_url("setup", state)
    passed = {name: text for name, text in environ.items() if name not in OF_THE_COMMAND_LINE}
    return {**passed, **given}


def _nats_url(user: str, state: State) -> str:
    return f"nats://{user}:{state.passwords[user]}@127.0.0.1:{state.ports.nats if state.ports else 0}"


def service_settings(service: str) -> type[msgspec.Struct] | None:
    """The settings struct of a service; None while the service does not exist."""
    name = f"services.{service}.settings"
    if importlib.util.find_spec(name) is None:
        return None
    kind: Any = importlib.import_module(name).Settings
    return kind if issubclass(kind, msgspec.Struct) else None


def check(home: Home, state: State, environ: Mapping[str, str]) -> None:
    """Load every service's settings as that service will; `SettingError` for the first one that is wrong."""
    for service in SERVICES:
        if kind := service_settings(service):
            load(kind, service_environment(service, home, state, environ))


def unknown(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each `DOCKUP_` variable that nothing reads: most are misspelt."""
    kinds: list[type[msgspec.Struct]] = [Settings, *(kind for service in SERVICES if (kind := service_settings(service)))]
    known = {PREFIX + field.name.upper() for kind in kinds for field in msgspec.structs.fields(kind)}
    known |= {"DOCKUP_HOME", *OF_THE_COMMAND_LINE}
    sentences = []
    for name in sorted(name for name in environ if name.startswith(PREFIX) and name not in known):
        near = difflib.get_close_matches(name, known, n=1)
        sentences.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return sentences
