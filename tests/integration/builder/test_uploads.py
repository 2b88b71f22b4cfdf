"""Uploads on a real engine: loaded under our name alone, refused with a reason, given up when nobody waits, and nothing stays."""

import io
import secrets
import tarfile
from pathlib import Path

from libs.common.engine import images as engine_images
from libs.common.engine.connect import Engine
from libs.common.messages.builder import ImageFailed, ImageProgress, ImageReady, ImageStarted, LoadImage
from services.builder.settings import Settings
from tests import archives, images
from tests.archives import oci, saved, tar
from tests.integration.builder.conftest import Stage, Start
from tests.stack import eventually


def layer(size: int = 1000) -> bytes:
    """A layer that no image has."""
    return tar([("random", secrets.token_bytes(size))])


def spooled(settings: Settings, archive: bytes, deployment_id: str) -> Path:
    folder = Path(settings.home) / "spool"
    folder.mkdir(exist_ok=True)
    path = folder / f"{deployment_id}.tar"
    path.write_bytes(archive)
    return path


async def load(stage: Stage, settings: Settings, archive: bytes, deployment_id: str = "dep_1") -> Path:
    path = spooled(settings, archive, deployment_id)
    await stage.send(
        LoadImage(command_id=f"{deployment_id}.prepare", app_id=stage.app_id, deployment_id=deployment_id, release=int(deployment_id[4:]))
    )
    return path


def held(stage: Stage) -> list[str]:
    return [tag for image in images.client().images(filters={"reference": f"dockup/{stage.app_id}:*"}) for tag in image["RepoTags"]]


async def test_what_docker_save_writes(stage: Stage, start: Start, settings: Settings, engine: Engine) -> None:
    """The engine that saved it knows it again by its id; the one tag that it has is ours. A command that comes twice loads once."""
    reference = images.unheard_of(300_000)
    before = images.client().inspect_image(reference)
    archive = b"".join(images.client().get_image(reference))
    images.client().remove_image(reference)
    await start()
    path = await load(stage, settings, archive)
    ready = await stage.hear(ImageReady)
    assert (ready.image_id, ready.digest, ready.found) == (before["Id"], None, False)
    found = await engine_images.find(engine, f"dockup/{stage.app_id}:r1")
    assert found is not None
    assert found.repo_tags == (f"dockup/{stage.app_id}:r1",)
    assert len(stage.all(ImageStarted)) == 1
    await stage.done()
    assert path.exists(), "the API removes it, nobody else"
    path.unlink()
    await stage.bus.publish(
        f"dockup.cmd.builder.LoadImage.{stage.app_id}",
        LoadImage(command_id="dep_1.prepare", app_id=stage.app_id, deployment_id="dep_1", release=1),
        "again",
    )
    await stage.done()
    assert stage.all(ImageFailed) == []
    assert held(stage) == [f"dockup/{stage.app_id}:r1"]


async def test_another_image_of_the_same_release_is_not_taken_for_it(stage: Stage, start: Start, settings: Settings) -> None:
    """The database was put back: the release of that number was another one."""
    images.client().tag(images.web(), f"dockup/{stage.app_id}", "r1")
    await start()
    top = layer()
    await load(stage, settings, tar(saved(top)))
    ready = await stage.hear(ImageReady)
    assert images.client().inspect_image(ready.image_id)["RootFS"]["Layers"] == [f"sha256:{archives.digest(top)}"]
    await stage.done()


async def test_nobodys_tag_is_replaced(stage: Stage, start: Start, settings: Settings) -> None:
    victim = images.web()
    before = images.client().inspect_image(victim)["Id"]
    await start()
    await load(stage, settings, tar(saved(layer(), tags=[victim, "dockup/app_0:r1"])))
    ready = await stage.hear(ImageReady)
    assert images.client().inspect_image(victim)["Id"] == before
    assert images.client().inspect_image(ready.image_id)["RepoTags"] == [f"dockup/{stage.app_id}:r1"]


async def test_an_oci_layout(stage: Stage, start: Start, settings: Settings) -> None:
    layers = layer(), layer()
    await start()
    await load(stage, settings, tar(oci(*layers)))
    ready = await stage.hear(ImageReady)
    seen = images.client().inspect_image(ready.image_id)
    assert seen["RootFS"]["Layers"] == [f"sha256:{archives.digest(each)}" for each in layers]
    assert seen["Config"]["Cmd"] == ["/hello"]


async def test_what_is_refused_leaves_nothing(stage: Stage, start: Start, settings: Settings) -> None:
    own, other = layer(), layer()
    cases = {
        "dep_1": (b"no archive at all", "upload_invalid", "cut off"),
        "dep_2": (tar(saved(own, text=archives.config(own, architecture="s390x"))), "image_invalid", "linux/s390x"),
        "dep_3": (tar(saved(own, text=archives.config(other))), "upload_invalid", "does not take"),
        "dep_4": (tar([*saved(own)[:-1], ("manifest.json", b"[]")]), "upload_invalid", "0 images"),
        "dep_5": (tar(saved(tar([("big", bytes(3_000_000))]))), "upload_too_large", "more than 2 MB"),
    }
    await start(upload_max_mb=1)
    for deployment_id, (archive, _, _) in cases.items():
        await load(stage, settings, archive, deployment_id)
    await stage.done()
    await eventually(lambda: _is(len(stage.all(ImageFailed)) == len(cases)), what="every refusal")
    failures = {event.deployment_id: event.failure for event in stage.all(ImageFailed)}
    for deployment_id, (_, code, says) in cases.items():
        assert failures[deployment_id].code == code
        assert says in failures[deployment_id].message
        assert failures[deployment_id].hint
    assert failures["dep_3"].evidence, "the engine's own words"
    assert held(stage) == []


async def _is(value: bool) -> bool:  # noqa: FBT001 - what `eventually` asks
    return value


async def test_one_that_nobody_waits_for_any_more(stage: Stage, start: Start, settings: Settings) -> None:
    """The file goes while the engine is given 200 MB: the work ends, and the image is not there."""
    big = io.BytesIO()
    with tarfile.open(fileobj=big, mode="w") as archive:
        header = tarfile.TarInfo("random")
        header.size = 200_000_000
        archive.addfile(header, io.BytesIO(secrets.token_bytes(1_000_000) * 200))
    await start()
    path = await load(stage, settings, tar(saved(big.getvalue())))
    await stage.hear(ImageStarted)
    path.unlink()
    failed = await stage.hear(ImageFailed)
    assert failed.failure.code == "upload_lost"
    await stage.done()
    assert stage.all(ImageReady) == []
    assert held(stage) == []


async def test_an_app_that_is_deleted_meanwhile(stage: Stage, start: Start, settings: Settings) -> None:
    await start()
    await stage.delete_app()
    await load(stage, settings, tar(saved(layer())))
    await stage.done()
    assert held(stage) == []


async def test_images_that_dockup_holds_are_their_apps_alone(stage: Stage, start: Start, settings: Settings) -> None:
    """Another app's is as if it did not exist; of our own one that is gone no registry is asked."""
    await start()
    await load(stage, settings, tar(saved(layer())))
    await stage.hear(ImageReady)
    for name in (f"dockup/{stage.app_id}:r1", f"docker.io/dockup/{stage.app_id}:r9", "dockup/app_0:r1", "index.docker.io/dockup/app_0:r1"):
        await stage.prepare(name, release=2)
    await stage.done()
    await eventually(lambda: _is(len(stage.all(ImageFailed)) == 3), what="three refusals")
    assert sorted(event.failure.code for event in stage.all(ImageFailed)) == ["image_not_found", "image_not_found", "image_not_kept"]
    assert len(stage.all(ImageReady)) == 2
    assert stage.all(ImageProgress) == []
    assert sorted(held(stage)) == [f"dockup/{stage.app_id}:r1", f"dockup/{stage.app_id}:r2"]
