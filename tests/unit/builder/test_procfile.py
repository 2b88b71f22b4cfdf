from pathlib import Path

import pytest

from services.builder.failed import Failed
from services.builder.source import procfile


def read(folder: Path, text: str) -> procfile.Commands:
    (folder / "Procfile").write_text(text, encoding="utf-8")
    return procfile.read(folder, folder)


def test_none(tmp_path: Path) -> None:
    assert procfile.read(tmp_path, tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("# nothing\n\nweb: serve $PORT\n", {}),
        ("web: a\r\nworker: celery -A shop 'one queue'\r\n", {"worker": ("celery", "-A", "shop", "one queue")}),
        ("worker:bin/work $QUEUE", {"worker": ("sh", "-c", "exec bin/work $QUEUE")}),
        ("release: migrate && seed", {"release": ("sh", "-c", "migrate && seed")}),
        ("Late_Worker: tick", {"late-worker": ("tick",)}),
        ("clock: TZ=UTC tick", {"clock": ("sh", "-c", "TZ=UTC tick")}),
    ],
)
def test_what_it_says(tmp_path: Path, text: str, found: procfile.Commands) -> None:
    assert read(tmp_path, text) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("web: a\nwork all day", "Line 2"),
        ("worker:", "Line 1"),
        ("worker: a\nworker: b", "is there twice"),
        ("late_worker: a\nlate-worker: b", "is there twice"),
        ("run: a", "no process can be called 'run'"),
        ("1up: a", "no process can be called '1up'"),
        (f"{'w' * 21}: a", "no process can be called"),
        ("worker: a 'b", "cannot be split"),
        ("worker: a\x07b", "Line 1"),
        (f"worker: {'a' * 2000}", "Line 1"),
        ("\n".join(f"p{number}: a" for number in range(11)), "10 is the most"),
    ],
)
def test_what_it_cannot_say(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Failed) as caught:
        read(tmp_path, text)
    assert caught.value.failure.code == "build_failed"
    assert says in caught.value.failure.message


def test_a_link_out_of_the_repository_says_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("worker: a", encoding="utf-8")
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "Procfile").symlink_to(outside)
    assert procfile.read(folder, folder) == {}
