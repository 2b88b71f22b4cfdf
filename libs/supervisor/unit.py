"""How a reboot brings Dockup back: a systemd unit where there is systemd, else the line that the machine's own way takes."""

import os
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
Environment=DOCKUP_HOME={home}
ExecStart={launcher} up
KillMode=process
Restart=on-failure
RestartSec=1
TimeoutStartSec=infinity
TimeoutStopSec=60
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
"""


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
        "to hand a running Dockup over to systemd: dockup down && systemctl start dockup",
    ]


def _by_hand(home: Home, launcher: Path) -> list[str]:
    command = f"DOCKUP_HOME={home.root} {launcher} up --detach"
    copy = home.root / "dockup.service"
    copy.write_text(text(home.root, launcher), encoding="utf-8")
    return [
        f"no systemd that we may use runs here; wrote the unit to {copy}",
        "to have Dockup back after a reboot, do one of these:",
        f"- cron: add this line with `crontab -e`:  @reboot {command}",
        f"- OpenRC: put this line into /etc/local.d/dockup.start:  {command}",
    ]
