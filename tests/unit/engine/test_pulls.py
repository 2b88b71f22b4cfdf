"""What the engine's words while pulling mean."""

import pytest

from libs.common.engine import errors, images
from libs.common.engine.pulls import PullLine, PullProgress, Tally, _Detail, meaning


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("manifest for nginx:nope not found: manifest unknown: manifest unknown", errors.ImageNotFound),
        (
            "pull access denied for nosuch, repository does not exist or may require 'docker login': denied",
            errors.ImageNotFound,
        ),
        ('Head "https://r.example/v2/a/manifests/1": no basic auth credentials', errors.RegistryAuth),
        ("unauthorized: authentication required", errors.RegistryAuth),
        (
            'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
            errors.RegistryUnreachable,
        ),
        (
            'Get "https://r.example/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded)',
            errors.RegistryUnreachable,
        ),
        ("received unexpected HTTP status: 503 Service Unavailable", errors.RegistryUnreachable),
        ('Get "https://r.example/v2/": x509: certificate signed by unknown authority', errors.RegistryUnreachable),
        ("failed to register layer: write /usr/lib/x: no space left on device", errors.DiskFull),
        ("no matching manifest for linux/amd64 in the manifest list entries", errors.ImageInvalid),
        ("toomanyrequests: You have reached your pull rate limit", errors.PullFailed),
    ],
)
def test_meaning(text: str, kind: type[errors.PullError]) -> None:
    found = meaning(text)
    assert type(found) is kind
    assert str(found) == text


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("nginx", ("nginx", "latest")),
        ("nginx:alpine", ("nginx", "alpine")),
        ("127.0.0.1:5000/a/b", ("127.0.0.1:5000/a/b", "latest")),
        ("127.0.0.1:5000/a/b:1", ("127.0.0.1:5000/a/b", "1")),
        ("a@sha256:00", ("a", "sha256:00")),
        ("r:5000/a:1@sha256:00", ("r:5000/a", "sha256:00")),
    ],
)
def test_split_reference(reference: str, parts: tuple[str, str]) -> None:
    assert images.split_reference(reference) == parts


def test_layers_add_up() -> None:
    tally = Tally()
    lines = [
        PullLine(status="Pulling from library/nginx", id="alpine"),
        PullLine(status="Already exists", id="a"),
        PullLine(status="Pulling fs layer", id="b"),
        PullLine(status="Pulling fs layer", id="c"),
        PullLine(status="Downloading", id="b", progress_detail=_Detail(current=10, total=100)),
        PullLine(status="Downloading", id="c", progress_detail=_Detail(current=5, total=50)),
        PullLine(status="Download complete", id="b"),
        PullLine(status="Extracting", id="b", progress_detail=_Detail(current=1, total=100)),
        PullLine(status="Digest: sha256:00"),
    ]
    for line in lines:
        tally.take(line)
    assert tally.progress() == PullProgress(done_layers=1, total_layers=3, done_bytes=105, total_bytes=150)
    tally.take(PullLine(status="Pull complete", id="b"))
    assert tally.progress().done_layers == 2
