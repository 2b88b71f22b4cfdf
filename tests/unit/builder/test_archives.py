"""What the builder takes as an archive, and every attack that it does not."""

import gzip
import io
import json
import tarfile
import threading
import tracemalloc
import zlib
from pathlib import Path

import pytest

from services.builder.archives.open import opened
from services.builder.archives.rewrite import rewrite
from services.builder.archives.sources import GivenUp, TooLarge
from services.builder.archives.tar import Broken
from tests import archives
from tests.archives import Entry, oci, saved, special, tar

LAYER = tar([("hello", b"#!/bin/sh\n"), special("etc", tarfile.DIRTYPE), special("link", tarfile.SYMTYPE, "/etc")])
UPPER = tar([("dev/.wh.gone", b""), special("null", tarfile.CHRTYPE), special("same", tarfile.LNKTYPE, "hello")])
MB = 1024 * 1024
NAME = "dockup/app_1:r1"


def look(path: Path, archive: bytes, most: int = 64 * MB) -> bytes:
    """Check the archive; return what the engine would be given."""
    path.write_bytes(archive)
    with opened(path, architecture="amd64", most=most, stop=threading.Event()) as found:
        return b"".join(rewrite(found.contents, found.image, NAME, lambda _size: None))


def names(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        return {member.name: found.extractfile(member).read() for member in found}  # type: ignore[union-attr]


HONEST: dict[str, bytes] = {
    "docker save": tar(saved(LAYER, UPPER)),
    "in the form of GNU": tar(saved(LAYER, UPPER), tarfile.GNU_FORMAT),
    "in the old form": tar(saved(LAYER, UPPER), tarfile.USTAR_FORMAT),
    "packed layers": tar(saved(LAYER, UPPER, packed=True)),
    "packed as a whole": gzip.compress(tar(saved(LAYER, UPPER))),
    "packed in two parts": gzip.compress(tar(saved(LAYER, UPPER))[:1000]) + gzip.compress(tar(saved(LAYER, UPPER))[1000:]),
    "oci layout": tar(oci(LAYER, UPPER)),
    "folders twice": tar([special("0", tarfile.DIRTYPE), special("0", tarfile.DIRTYPE), *saved(LAYER, UPPER)]),
    "a dot before each name": tar([(f"./{entry[0]}", entry[1]) for entry in saved(LAYER, UPPER) if isinstance(entry, tuple)]),
}


@pytest.mark.parametrize("archive", HONEST.values(), ids=HONEST)
def test_what_is_taken_reaches_the_engine_with_our_name_alone(archive: bytes, tmp_path: Path) -> None:
    given = names(look(tmp_path / "dep_1.tar", archive))
    [listed] = json.loads(given.pop("manifest.json"))
    assert listed["RepoTags"] == [NAME]
    assert set(given) == {listed["Config"], *listed["Layers"]}
    assert listed["Config"] == f"{archives.digest(given[listed['Config']])}.json"
    layers = [given[name] for name in listed["Layers"]]
    assert [gzip.decompress(each) if each.startswith(b"\x1f\x8b") else each for each in layers] == [LAYER, UPPER]
    assert [path.name for path in tmp_path.iterdir()] == ["dep_1.tar"], "nothing is unpacked beside it"


def test_links_between_layers_and_the_same_layer_twice(tmp_path: Path) -> None:
    """As older engines save: a layer that is there already is a link to it."""
    text = archives.config(LAYER, LAYER)
    listed = [{"Config": "c.json", "Layers": ["a/layer.tar", "b/layer.tar"]}]
    entries: list[Entry] = [("c.json", text), ("a/layer.tar", LAYER), special("b/layer.tar", tarfile.SYMTYPE, "../a/layer.tar")]
    given = names(look(tmp_path / "x", tar([*entries, ("manifest.json", json.dumps(listed).encode())])))
    [listed] = json.loads(given["manifest.json"])
    assert listed["Layers"] == ["0/layer.tar", "0/layer.tar"]  # type: ignore[call-overload]


def with_list(**changes: object) -> bytes:
    """An archive whose list says something else."""
    entries = saved(LAYER)
    [listed] = json.loads(entries[-1][1])  # type: ignore[index]
    return tar([*entries[:-1], ("manifest.json", json.dumps([{**listed, **changes}]).encode())])


def bomb(megabytes: int) -> bytes:
    """A tar with one file of zeroes, packed piece by piece."""
    header = tarfile.TarInfo("zeroes")
    header.size = megabytes * MB
    pack, piece = zlib.compressobj(9, wbits=31), bytes(MB)
    parts = [pack.compress(header.tobuf()), *(pack.compress(piece) for _ in range(megabytes)), pack.compress(bytes(1024)), pack.flush()]
    return b"".join(parts)


def with_layer(layer: bytes) -> bytes:
    return tar(saved(layer))


def header_of(size: int, kind: bytes) -> bytes:
    """A header that claims a content of `size`, and nothing after it."""
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, size
    return header.tobuf(tarfile.GNU_FORMAT)


WHOLE = tar(saved(LAYER))
TWO = json.loads(saved(LAYER)[-1][1]) * 2  # type: ignore[index]
ATTACKS: dict[str, tuple[bytes, str]] = {
    "nothing of a tar": (b"<html>" * 1000, "no tar archive"),
    "short": (b"hello", "cut off"),
    "zeroes": (bytes(10240), "no image"),
    "cut in a layer": (WHOLE[: len(WHOLE) // 2], "cut off"),
    "cut before the end mark": (WHOLE.rstrip(b"\0") + bytes(-len(WHOLE.rstrip(b"\0")) % 512), "cut off"),
    "packed and cut": (gzip.compress(WHOLE)[:-50], "cut off"),
    "packed and damaged": (gzip.compress(WHOLE)[:200] + b"\0" * 50 + gzip.compress(WHOLE)[250:], "damaged|no tar"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(1000), "zstd"),
    "an absolute path": (tar([("/etc/passwd", b""), *saved(LAYER)]), "leads out"),
    "a path upwards": (tar([("a/../../x", b""), *saved(LAYER)]), "leads out"),
    "a link out": (tar([special("a", tarfile.SYMTYPE, "../../etc"), *saved(LAYER)]), "leads out"),
    "an absolute link": (tar([special("a", tarfile.SYMTYPE, "/etc"), *saved(LAYER)]), "leads out"),
    "a hard link": (tar([special("a", tarfile.LNKTYPE, "manifest.json"), *saved(LAYER)]), "hard link"),
    "a device": (tar([special("a", tarfile.CHRTYPE), *saved(LAYER)]), "device"),
    "a pipe": (tar([special("a", tarfile.FIFOTYPE), *saved(LAYER)]), "pipe"),
    "a sparse file": (tar([special("a", tarfile.GNUTYPE_SPARSE), *saved(LAYER)]), "sparse"),
    "a name twice": (tar([*saved(LAYER), ("manifest.json", b"[]")]), "twice"),
    "a file where a folder is": (tar([special("0", tarfile.DIRTYPE), ("0", b""), *saved(LAYER)]), "twice"),
    "a config that is not there": (with_list(Config="nobody"), "not in the archive"),
    "a link to itself": (tar([special("manifest.json", tarfile.SYMTYPE, "manifest.json")]), "leads nowhere"),
    "no image": (tar([("readme", b"hello")]), "no image"),
    "two images": (tar([*saved(LAYER)[:-1], ("manifest.json", json.dumps(TWO).encode())]), "2 images"),
    "a list that is none": (tar([("manifest.json", b"{}")]), "cannot be read"),
    "a list of depth": (tar([("manifest.json", b"[" * 100_000)]), "cannot be read"),
    "a list of 5 MB": (tar([("manifest.json", b" " * 5 * MB)]), "at most"),
    "a layer that is not there": (with_list(Layers=["nobody/layer.tar"]), "not in the archive"),
    "a layer upwards": (with_list(Layers=["../../etc/shadow"]), "leads out"),
    "a layer too few": (with_list(Layers=[]), "has 1 layers"),
    "a config of another name": (
        tar([("a" * 64 + ".json", archives.config()), ("manifest.json", json.dumps([{"Config": "a" * 64 + ".json"}]).encode())]),
        "not what its name says",
    ),
    "a config that is none": (tar(saved(LAYER, text=b"[]")), "cannot be read"),
    "a digest that is none": (tar(saved(LAYER, text=b'{"rootfs": {"type": "layers", "diff_ids": ["../../x"]}}')), "no form"),
    "a layer upwards inside": (with_layer(tar([("../../etc/cron.d/x", b"")])), "leads out"),
    "a hard link out inside": (with_layer(tar([special("a", tarfile.LNKTYPE, "../../etc/shadow")])), "leads out"),
    "a sparse file inside": (with_layer(tar([special("a", tarfile.GNUTYPE_SPARSE)])), "sparse"),
    "a layer that is no tar": (with_layer(b"x" * 2000), "no tar"),
    "a zstd layer": (with_layer(b"\x28\xb5\x2f\xfd" + bytes(1000)), "zstd"),
    "a header of 5 GB": (header_of(5 * 1024 * MB, tarfile.XHDTYPE), "a header of"),
    "a name of 5 GB": (header_of(5 * 1024 * MB, tarfile.GNUTYPE_LONGNAME), "a header of"),
    "a file of 5 GB that is not there": (header_of(5 * 1024 * MB, tarfile.REGTYPE), "cut off"),
    "a blob of another name": (
        tar([(name.replace("b", "c") if "blobs" in name else name, content) for name, content in oci(LAYER)]),
        "not|no ",
    ),  # type: ignore[misc]
    "an index of nothing": (tar([("index.json", b'{"manifests": []}')]), "0 images"),
    "an index of itself": (tar([("index.json", b"{}")]), "no image"),
}


@pytest.mark.parametrize(("archive", "says"), ATTACKS.values(), ids=ATTACKS)
def test_what_is_not_taken(archive: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(Broken, match=says):
        look(tmp_path / "x", archive)


def test_bombs_are_counted_and_not_stored(tmp_path: Path) -> None:
    packed = bomb(300)
    listed = [{"Config": "c.json", "Layers": ["layer.tar"]}]
    whole = tar([("c.json", archives.config(b"")), ("layer.tar", packed), ("manifest.json", json.dumps(listed).encode())])
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="unpacks to more than 64 MB"):
            look(tmp_path / "x", whole)
        with pytest.raises(TooLarge, match="no honest image does"):
            look(tmp_path / "x", whole, most=10_000 * MB)
        with pytest.raises(TooLarge, match="unpacks to more than 64 MB"):
            look(tmp_path / "x", packed)
        assert tracemalloc.get_traced_memory()[1] < 16 * MB
    finally:
        tracemalloc.stop()


def test_a_million_members_cost_no_memory(tmp_path: Path) -> None:
    """In the archive itself ten thousand are too many; in a layer a million are, of which none is remembered."""
    each = b"".join(tarfile.TarInfo(f"{number}").tobuf() for number in range(10_001))
    with pytest.raises(Broken, match="more than 10000 entries"):
        look(tmp_path / "x", each)
    inside = b"".join(tarfile.TarInfo(f"{number}").tobuf() for number in range(500)) * 10
    tracemalloc.start()
    try:
        look(tmp_path / "x", with_layer(inside + bytes(1024)))
        assert tracemalloc.get_traced_memory()[1] < 24 * MB
    finally:
        tracemalloc.stop()


def test_whoever_is_told_to_stop_stops(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    (tmp_path / "x").write_bytes(WHOLE)
    with pytest.raises(GivenUp), opened(tmp_path / "x", architecture="amd64", most=MB, stop=stop):
        pass
