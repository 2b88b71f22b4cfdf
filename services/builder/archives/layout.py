"""Which config and which layers make the one image: as `docker save` writes it down, or as an OCI layout does."""

import hashlib
import re

import msgspec

from services.builder.archives.contents import Contents, parse
from services.builder.archives.tar import Broken, Member

_MOST_LAYERS = 127
_DEPTH = 4
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAMED_BY_DIGEST = re.compile(r"(?:^|/)([0-9a-f]{64})(?:\.json)?$")
_ATTESTATION = "attestation-manifest"


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """`config` is the text whose SHA-256 is the image's id; `layers` are the lowest first, with the digest of each unpacked."""

    config: bytes
    architecture: str
    os: str
    layers: tuple[tuple[Member, str], ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.config).hexdigest()


class _Saved(msgspec.Struct, rename="pascal"):
    config: str
    layers: list[str] | None = None


class _RootFs(msgspec.Struct):
    diff_ids: list[str] | None = None
    type: str = "layers"


class _Config(msgspec.Struct):
    rootfs: _RootFs
    architecture: str = ""
    os: str = ""


class _Platform(msgspec.Struct):
    architecture: str = ""
    os: str = ""


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    media_type: str = ""
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None


class _Index(msgspec.Struct, rename="camel"):
    """An index, or a manifest: which of them it is shows in what it has."""

    manifests: list[_Descriptor] | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None


def read(contents: Contents, architecture: str) -> Image:
    """The one image that the archive holds; of an image for many machines, the one for `architecture`. `Broken` for none or many."""
    if "manifest.json" in contents:
        return _saved(contents)
    if "index.json" in contents:
        return _oci(contents, architecture)
    raise Broken("it holds no image: neither manifest.json (docker save) nor index.json (OCI layout) is in it")


def _saved(contents: Contents) -> Image:
    entries = contents.parse("manifest.json", list[_Saved])
    if len(entries) != 1:
        raise Broken(f"it holds {len(entries)} images; save exactly one: docker save NAME:TAG")
    text = contents.read(entries[0].config)
    named = _NAMED_BY_DIGEST.search(entries[0].config)
    if named and named[1] != hashlib.sha256(text).hexdigest():
        raise Broken(f"{entries[0].config[:200]!r} is not what its name says")
    return _image(text, [contents.file(name) for name in entries[0].layers or ()])


def _oci(contents: Contents, architecture: str) -> Image:
    found = contents.parse("index.json", _Index)
    for _ in range(_DEPTH):
        if found.manifests is None:
            break
        found = parse(_blob(contents, _choose(found.manifests, architecture).digest), _Index, "an image's manifest")
    if found.config is None:
        raise Broken("its index names no image")
    return _image(_blob(contents, found.config.digest), [contents.file(_path(layer.digest)) for layer in found.layers or ()])


def _choose(manifests: list[_Descriptor], architecture: str) -> _Descriptor:
    images = [each for each in manifests if (each.annotations or {}).get("vnd.docker.reference.type") != _ATTESTATION]
    if len(images) > 1:
        images = [each for each in images if each.platform and (each.platform.os, each.platform.architecture) == ("linux", architecture)]
    if len(images) != 1:
        raise Broken(f"its index names {len(manifests)} images, and not one of them alone is for linux/{architecture}")
    return images[0]


def _blob(contents: Contents, digest: str) -> bytes:
    text = contents.read(_path(digest))
    if f"sha256:{hashlib.sha256(text).hexdigest()}" != digest:
        raise Broken(f"the blob {digest} is not what its name says")
    return text


def _path(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise Broken(f"{digest[:200]!r} is no digest")
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _image(text: bytes, layers: list[Member]) -> Image:
    config = parse(text, _Config, "the image's config")
    digests = config.rootfs.diff_ids or []
    if config.rootfs.type != "layers" or any(not _DIGEST.fullmatch(digest) for digest in digests):
        raise Broken("the image's config names its layers in no form that an engine knows")
    if len(digests) != len(layers):
        raise Broken(f"the image's config has {len(digests)} layers, and the list of the archive {len(layers)}")
    if len(layers) > _MOST_LAYERS:
        raise Broken(f"{len(layers)} layers; an engine takes {_MOST_LAYERS} at most")
    return Image(config=text, architecture=config.architecture, os=config.os, layers=tuple(zip(layers, digests, strict=True)))
