"""How a reboot brings Dockup back: a systemd unit where there is systemd, else the line that the machine's own way takes."""

import os
import pwd
import shlex
import subprocess
from pathlib import Path

from libs.supervisor.home import Home
from libs.supervisor.problem import Problem

UNIT = Path("/etc/systemd/system/dockup.service")


def text(home: Path, launcher: Path, user: str | None = None) -> str:
    """Write the unit. KillMode=process: a stop ends the supervisor, which ends its services; apps' proxy and engine stay."""
    return f"""[Unit]
Description=Dockup
Wants=network-online.target docker.service
After=network-online.target docker.service
# What was wrong at boot (a port, the disk, an engine elsewhere) may be right a minute later: there is no last try.
StartLimitIntervalSec=0

[Service]
{f"User={user}{chr(10)}" if user else ""}Environment={_quoted(f"DOCKUP_HOME={home}")}
ExecStart={_quoted(str(launcher)).replace("$", "$$")} up
KillMode=process
Restart=on-failure
RestartSec=3
TimeoutStartSec=infinity
TimeoutStopSec=60
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
"""


def _quoted(word: str) -> str:
    """One word of a unit file, whatever is in it: quotes and backslashes escaped, `%` is no specifier."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def governs(home: Home, launcher: Path) -> bool:
    """Whether systemd has a unit for this very installation, and takes orders from this user."""
    if os.geteuid() != 0 or not _systemd() or not UNIT.exists():
        return False
    ours = text(home.root, launcher).splitlines()
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return not any(line.startswith("User=") for line in lines) and all(
        line in lines for line in ours if line.startswith(("Environment=", "ExecStart="))
    )


def start() -> None:
    """Have systemd start it. What comes of that is to be seen; `Problem` when it refuses."""
    _systemctl("start", "dockup")


def _systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"systemctl {' '.join(arguments)} failed: {done.stderr.strip()}")


def install(home: Home, launcher: Path) -> list[str]:
    """Write and enable the unit, or say what to do where that is not ours to do. Returns lines for the user."""
    root = os.geteuid() == 0
    if not _systemd():
        return _by_hand(home, launcher, root=root)
    if not root:
        return _for_root_to_do(home, launcher)
    UNIT.write_text(text(home.root, launcher), encoding="utf-8")
    _systemctl("daemon-reload")
    _systemctl("enable", "dockup")
    return [
        f"wrote {UNIT} and enabled it: a reboot brings Dockup back",
        f"to hand a running Dockup over to systemd now: {_shell(launcher)} down && systemctl start dockup",
        f"to undo this: systemctl disable dockup && rm {UNIT} && systemctl daemon-reload",
    ]


def _for_root_to_do(home: Home, launcher: Path) -> list[str]:
    """An ordinary user's Dockup runs as that user after a boot, too."""
    copy = home.root / "dockup.service"
    copy.write_text(text(home.root, launcher, pwd.getpwuid(os.geteuid()).pw_name), encoding="utf-8")
    return [
        f"wrote the unit to {copy}; to have Dockup back after a reboot, run this:",
        f"  sudo cp {_shell(copy)} {UNIT} && sudo systemctl daemon-reload && sudo systemctl enable dockup",
        f"to undo it: sudo systemctl disable dockup && sudo rm {UNIT} && sudo systemctl daemon-reload",
    ]


def _by_hand(home: Home, launcher: Path, *, root: bool) -> list[str]:
    command = f"DOCKUP_HOME={_shell(home.root)} {_shell(launcher)} up --detach"
    openrc = [f"- OpenRC: put this line into /etc/local.d/dockup.start:  {command}"] if root else []
    return [
        "no systemd runs here; to have Dockup back after a reboot, do this:",
        f"- cron: add this line with `crontab -e`:  @reboot {command}",
        *openrc,
        "to undo it, take that line out again",
    ]


def _shell(path: Path) -> str:
    return shlex.quote(str(path))
