"""What the supervisor imports for its forks to share."""

import subprocess
import sys
from pathlib import Path

_LOOK = """
import sys
from pathlib import Path
import msgspec
from libs.supervisor import children
from libs.supervisor.home import Home, Ports
home = Home(Path(sys.argv[1]))
home.prepare()
children.services(home, msgspec.structs.replace(home.load(), ports=Ports(http=1, https=2, api=3, nats=4)), {})
print(*sorted(name for name in ("services.builder", "services.runtime", "services.metrics", "services.router",
    "services.api.app", "sqlalchemy", "litestar", "dns", "joserfc") if name in sys.modules))
"""


def test_what_the_api_alone_needs_is_imported_by_the_api_alone(tmp_path: Path) -> None:
    """Two copies of it would be 34 MB."""
    done = subprocess.run((sys.executable, "-c", _LOOK, str(tmp_path)), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["services.builder", "services.metrics", "services.router", "services.runtime"]
