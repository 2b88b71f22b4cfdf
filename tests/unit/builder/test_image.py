"""Names of images."""

import pytest

from libs.common.image_names import repository
from services.builder import image

APP, OTHER = "app_" + "1" * 32, "app_" + "2" * 32
SHA = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "name", "asked"),
    [
        ("nginx", "nginx", "nginx:latest"),
        ("nginx:alpine", "nginx", "nginx:alpine"),
        ("cafe", "cafe", "cafe:latest"),
        ("library/nginx", "library/nginx", "library/nginx:latest"),
        ("docker.io/library/nginx:1", "docker.io/library/nginx", "docker.io/library/nginx:1"),
        ("127.0.0.1:5000/a/b_c/d--e:V1.0-x", "127.0.0.1:5000/a/b_c/d--e", "127.0.0.1:5000/a/b_c/d--e:V1.0-x"),
        ("localhost/a", "localhost/a", "localhost/a:latest"),
        (f"ghcr.io/o/r@{SHA}", "ghcr.io/o/r", f"ghcr.io/o/r@{SHA}"),
        (f"ghcr.io/o/r:1@{SHA}", "ghcr.io/o/r", f"ghcr.io/o/r@{SHA}"),
        (f"dockup/{APP}:r1", f"dockup/{APP}", f"dockup/{APP}:r1"),
    ],
)
def test_names_that_are_taken(text: str, name: str, asked: str) -> None:
    assert image.parse(text, APP) == image.Reference(name=name, text=asked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " nginx",
        "nginx\n",
        "nginx:",
        "nginx:a b",
        "nginx@sha256:12",
        "Nginx",
        "a//b",
        "/a",
        "a/",
        "-a",
        "http://r.example/a",
        "r.example:99999999/a",
        "a:" + "b" * 129,
        "a" * 256,
        "ngïnx",
        "a" * 64,
        SHA,
        f"dockup/{OTHER}:r1",
        f"docker.io/dockup/{OTHER}:r1",
        f"dockup/{OTHER}@{SHA}",
        f"dockup/{OTHER}",
    ],
)
def test_names_that_are_refused(text: str) -> None:
    with pytest.raises(image.BadReferenceError):
        image.parse(text, APP)


@pytest.mark.parametrize(
    ("text", "digests", "expected"),
    [
        ("nginx", [], None),
        ("nginx", [f"nginx@{SHA}"], f"nginx@{SHA}"),
        ("docker.io/library/nginx:1", [f"other@{SHA}", f"nginx@{SHA}"], f"nginx@{SHA}"),
        ("r:5000/a", [f"other@{SHA}"], f"other@{SHA}"),
        ("nginx", [f"dockup/{OTHER}@{SHA}", f"nginx@{SHA}"], f"nginx@{SHA}"),
        (f"dockup/{APP}:r1", [f"dockup/{APP}@{SHA}", f"dockup/{OTHER}@{SHA}"], None),
    ],
)
def test_digest(text: str, digests: list[str], expected: str | None) -> None:
    assert image.digest(image.parse(text, APP), digests) == expected


@pytest.mark.parametrize(
    ("keep", "gone"),
    [
        ((), [1, 2, 9, 10]),
        ((9,), [1, 2]),
        ((2, 9), [1]),
        ((10,), [1, 2, 9]),
        ((1,), []),
    ],
)
def test_what_is_collected(keep: tuple[int, ...], gone: list[int]) -> None:
    held = repository(APP)
    tags = [f"{held}:r{number}" for number in (10, 1, 2, 9)]
    noise = [f"{held}:mine", f"{held}:r", f"dockup/{OTHER}:r1", "nginx:r1"]
    assert image.collectable(tags + noise, APP, keep) == [f"{held}:r{number}" for number in gone]
