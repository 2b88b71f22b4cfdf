"""How a reboot brings Dockup back: a systemd unit where there is systemd, else the line that the machine's own way takes."""

import os
import shlex
import subprocess
from pathlib import Path

from libs.supervisor.home import Home
from libs.supervisor.problem import Problem

UNIT = Path("/etc/systemd/system/dockup.service")


def text(home: Path, launcher: Path) -> str:
    """Write the unit. KillMode=process: a stop ends the supervisor, which ends its services; apps' proxy and engine stay."""
    return f"""[Unit]
Description=Dockup
Wants=network-online.target docker.service
After=network-online.target docker.service

[Service]
Environment={_quoted(f"DOCKUP_HOME={home}")}
ExecStart={_quoted(str(launcher)).replace("$", "$$")} up
KillMode=process
Restart=on-failure
RestartSec=1
# A wrong setting: starting again would not help.
RestartPreventExitStatus=2
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


def install(home: Home, launcher: Path) -> list[str]:
    """Write and enable the unit, or say what to do where no systemd runs. Returns lines for the user."""
    if not Path("/run/systemd/system").is_dir() or os.geteuid() != 0:
        return _by_hand(home, launcher)
    UNIT.write_text(text(home.root, launcher), encoding="utf-8")
    for command in (["systemctl", "daemon-reload"], ["systemctl", "enable", "dockup"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Problem(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return [
        f"wrote {UNIT} and enabled it: a reboot brings Dockup back",
        f"to hand a running Dockup over to systemd: {_shell(launcher)} down && systemctl start dockup",
        f"to undo this: systemctl disable dockup && rm {UNIT} && systemctl daemon-reload",
    ]


def _by_hand(home: Home, launcher: Path) -> list[str]:
    command = f"DOCKUP_HOME={_shell(home.root)} {_shell(launcher)} up --detach"
    copy = home.root / "dockup.service"
    copy.write_text(text(home.root, launcher), encoding="utf-8")
    return [
        f"no systemd that we may use runs here; wrote the unit to {copy}",
        "to have Dockup back after a reboot, do one of these:",
        f"- cron: add this line with `crontab -e`:  @reboot {command}",
        f"- OpenRC: put this line into /etc/local.d/dockup.start:  {command}",
        "to undo it, take that line out again",
    ]


def _shell(path: Path) -> str:
    return shlex.quote(str(path))
