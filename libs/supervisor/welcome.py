"""What `up` ends with: where to go, and three commands to try."""

import os
import shlex
import shutil

from libs.supervisor.home import LAUNCHER, Home


def text(home: Home, url: str) -> str:
    """`url` is the public one of the API, as the status says it."""
    curl = "curl"
    trust = ""
    sudo = _sudo()
    credentials = shlex.quote(str(home.credentials))
    if home.root_certificate.exists():
        root = shlex.quote(str(home.root_certificate))
        curl = f"curl --cacert {root}"
        trust = f"""
Certificates    {home.root_certificate} is the root to trust: give it to curl with --cacert,
                to a browser in its settings, or to this machine with
                {sudo}cp {root} /usr/local/share/ca-certificates/dockup.crt && {sudo}update-ca-certificates"""
    return f"""
Dockup is up.

Address         {url}
Credentials     {home.credentials}{trust}
Logs            {home.logs} (or: {shlex.quote(str(LAUNCHER))} logs)

Try these{_curl_first()}:

  {curl} {url}/api/v1/system/status

  KEY=$(sed -n 's/.*"api_key": *"\\([^"]*\\)".*/\\1/p' {credentials})
  {curl} -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
    -d '{{"create":true,"project":"demo","name":"hello","image":"nginx:alpine","internal_port":80}}' \\
    '{url}/api/v1/deploy/hello?wait=120'

  {curl} -H "Authorization: Bearer $KEY" -H 'Accept: text/plain' '{url}/api/v1/apps/hello/logs?tail=20'
"""


def _curl_first() -> str:
    return "" if shutil.which("curl") else f" (curl is missing here; {_sudo()}apt-get install -y curl brings it)"


def _sudo() -> str:
    return "" if os.geteuid() == 0 else "sudo "
