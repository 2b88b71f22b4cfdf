"""A log that can't be written is nobody's failure."""

import json
import os
from pathlib import Path

from libs.common.log import Output


def test_a_full_disk_raises_nothing_and_the_next_line_says_what_was_lost(tmp_path: Path) -> None:
    disk = os.open("/dev/full", os.O_WRONLY)
    try:
        output = Output(disk)
        for _ in range(3):
            output.write('{"event": "one"}\n')
        room = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
        os.dup2(room, disk)
        os.close(room)
        output.write('{"event": "two"}\n')
        output.write('{"event": "three"}\n')
    finally:
        os.close(disk)
    said = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines() if line]
    assert [line["event"] for line in said] == ["log.lost", "two", "three"]
    assert said[0]["lines"] == 3
