"""The state folder (`DOCKUP_HOME`): where everything lies, and what is remembered from one start to the next."""

import os
import secrets
import shutil
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet

from libs.common.config import SettingError

SERVICES = ("api", "builder", "runtime", "metrics", "router")
NATS_USERS = (*SERVICES, "setup")
LAUNCHER = Path(__file__).parents[2] / "dockup"
_FOLDERS = ("run", "logs", "nats", "redis", "router")
_LONGEST_PATH = 80
"""A unix socket's path ends at 107 bytes, and the longest of ours adds 27 to the folder's."""
_LEAST_FREE = 200 * 1024**2
_PASSWORD_BYTES = 24


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    http: int
    https: int
    api: int
    nats: int


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What an installation keeps. `instance` is 8 hex digits and marks all that it makes in an engine that it may share.

    `secret_key` may be several, comma-separated, the one that encrypts first; `rotating`: not everything is under the first yet.
    """

    instance: str
    secret_key: str
    passwords: dict[str, str]
    ports: Ports | None = None
    rotating: bool = False


class Home:
    """The layout of one state folder. Nothing is made before `prepare`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run = root / "run"
        self.logs = root / "logs"
        self.nats_store = root / "nats"
        self.redis = root / "redis"
        self.router = root / "router"
        self.state_file = root / "state.json"
        self.settings_file = root / "dockup.env"
        self.credentials = root / "credentials.json"
        self.backups = root / "backups"
        self.backup_recipient = root / "backup.recipient"
        self.nats_conf = self.run / "nats.conf"
        self.redis_socket = self.run / "redis.sock"
        self.root_certificate = self.router / "ca" / "root.crt"
        self.haproxy_pid = self.router / "haproxy.pid"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def pid_file(self, name: str) -> Path:
        return self.run / f"{name}.pid"

    def prepare(self) -> None:
        """Make the folders and see that there is room; `SettingError` when the place will not do."""
        self.make()
        try:
            write_durably(self.run / "probe", b"x")
        except OSError as error:
            raise self._unwritable(error) from error
        free = shutil.disk_usage(self.root).free
        if free < _LEAST_FREE:
            problem = f"{free // 1024**2} MB are free at {self.root}, and 200 MB are the least; free some or choose another folder"
            raise SettingError("DOCKUP_HOME", problem)

    def make(self) -> None:
        """Make the folders for the owner's eyes alone; on a disk that is full it is enough that they are there."""
        if len(os.fsencode(self.root)) > _LONGEST_PATH:
            raise SettingError("DOCKUP_HOME", f"{self.root} is too long; take a path of at most {_LONGEST_PATH} bytes")
        try:
            for folder in (self.root, *(self.root / name for name in _FOLDERS)):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.chmod(0o700)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> SettingError:
        return SettingError("DOCKUP_HOME", f"cannot write to {self.root}: {error.strerror}")

    def load(self) -> State:
        """The state that was kept, or a new one, which is kept at once."""
        if self.state_file.exists():
            try:
                return msgspec.json.decode(self.state_file.read_bytes(), type=State)
            except msgspec.DecodeError as error:
                problem = f"{self.state_file} cannot be read ({error}); put it back from a backup"
                raise SettingError("DOCKUP_HOME", problem) from error
        state = State(
            instance=secrets.token_hex(4),
            secret_key=Fernet.generate_key().decode(),
            passwords={user: secrets.token_urlsafe(_PASSWORD_BYTES) for user in NATS_USERS},
        )
        self.keep(state)
        return state

    def keep(self, state: State) -> None:
        write_durably(self.state_file, msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace `path` at once: whoever reads sees the old bytes or the new ones, after a power cut too."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
