"""What `compose/` begins with: passwords and keys, made once, and a file for each service with what it alone is told.

Run as `python -m libs.supervisor.containers` in the `init` container. Addresses come from the environment: `BUS`, as the containers of
the bus's own network see it, and `BUS_ON_HOST`, as those on the host's network do.
"""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from libs.common.config import PREFIX, SettingError
from libs.supervisor import natsconf
from libs.supervisor.home import SERVICES, Home, State, write_durably
from libs.supervisor.settings import service_settings

ON_THE_BUS = frozenset({"builder"})
"""Services in the bus's own network; the others are on the host's."""
NATS_PORT = 4222
NATS_MONITOR = 8222
_SECRETS, _NATS = Path("/run/dockup"), Path("/var/lib/dockup-nats")
_USER = 10001
"""`dockup` in compose/Dockerfile."""


def told(service: str, state: State, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of a service that are made here; those that its struct does not have are not its business."""
    address = environ["BUS"] if service in ON_THE_BUS else environ["BUS_ON_HOST"]
    made = {
        "instance": state.instance,
        "nats_url": f"nats://{service}:{state.passwords[service]}@{address}",
        "nats_setup_url": f"nats://setup:{state.passwords['setup']}@{address}",
        "secret_key": environ.get("DOCKUP_SECRET_KEY") or state.secret_key,
    }
    kind = service_settings(service)
    fields = {field.name for field in msgspec.structs.fields(kind)} if kind else set()
    return {PREFIX + name.upper(): text for name, text in made.items() if name in fields}


def prepare(secrets: Path, nats: Path, environ: Mapping[str, str]) -> None:
    """Write `{service}.env` for each, and `nats.conf`. Nothing that was made before changes; `SettingError` when it cannot be read."""
    state = Home(secrets).load()
    for service in SERVICES:
        text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in told(service, state, environ).items())
        write_durably(secrets / f"{service}.env", text.encode(), 0o400)
    store = str(nats / "store")
    conf = natsconf.render(host="0.0.0.0", port=NATS_PORT, monitor=NATS_MONITOR, store=store, passwords=state.passwords)
    write_durably(nats / "nats.conf", conf.encode(), 0o400)


def hand_over(*paths: Path) -> None:
    """The API and the server of the bus are never root, and read theirs as who they are; the others read theirs before they change."""
    for path in paths:
        os.chown(path, _USER, _USER)


def main() -> None:
    try:
        prepare(_SECRETS, _NATS, os.environ)
    except SettingError as error:
        sys.stderr.write(f"init: {error}\n")
        raise SystemExit(2) from error
    hand_over(_SECRETS / "api.env", _NATS / "nats.conf")


if __name__ == "__main__":
    main()
