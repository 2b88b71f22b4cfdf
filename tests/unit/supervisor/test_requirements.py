"""How an engine that is installed here is set."""

import json
from pathlib import Path

from libs.supervisor.requirements import settle_engine


def test_a_new_engine_keeps_its_images_as_before_and_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "docker" / "daemon.json"
    settle_engine(path)
    assert json.loads(path.read_text()) == {"features": {"containerd-snapshotter": False}}
    path.write_text("{}")
    settle_engine(path)
    assert path.read_text() == "{}"
