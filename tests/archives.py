"""Archives of images made by hand: honest ones, and every attack on who reads them."""

import gzip
import hashlib
import io
import json
import secrets
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

Entry = tuple[str, bytes] | tarfile.TarInfo


def tar(entries: Iterable[Entry], kind: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of files, and of headers as they are given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                header = tarfile.TarInfo(entry[0])
                header.size, header.mode = len(entry[1]), 0o755
                archive.addfile(header, io.BytesIO(entry[1]))
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, target
    return header


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def config(*layers: bytes, architecture: str = "amd64", **more: Any) -> bytes:
    """Of an image with these unpacked layers."""
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{digest(layer)}" for layer in layers]}
    return json.dumps({"architecture": architecture, "os": "linux", "rootfs": rootfs, "config": {"Cmd": ["/hello"]}, **more}).encode()


def saved(*layers: bytes, packed: bool = False, text: bytes | None = None, tags: list[str] | None = None) -> list[Entry]:
    """What `docker save` puts into an archive, the list last."""
    text = config(*layers) if text is None else text
    named = [(f"{number}/layer.tar", gzip.compress(layer) if packed else layer) for number, layer in enumerate(layers)]
    listed = [{"Config": f"{digest(text)}.json", "RepoTags": tags or ["nginx:alpine"], "Layers": [name for name, _ in named]}]
    return [(f"{digest(text)}.json", text), *named, ("manifest.json", json.dumps(listed).encode())]


def oci(*layers: bytes, architecture: str = "amd64") -> list[Entry]:
    """An OCI layout with one image, its layers packed."""
    text, packed = config(*layers, architecture=architecture), [gzip.compress(layer) for layer in layers]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": f"sha256:{digest(text)}", "size": len(text)},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": f"sha256:{digest(each)}"} for each in packed],
        }
    ).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [{"digest": f"sha256:{digest(manifest)}", "size": len(manifest)}]}).encode()
    blobs = [(f"blobs/sha256/{digest(each)}", each) for each in (text, manifest, *packed)]
    return [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index), *blobs]


def grown(path: Path, archive: bytes, megabytes: int) -> None:
    """Write what `docker save` gave, with one more layer of so many megabytes that no image has."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        content = {member.name: found.extractfile(member).read() for member in found if member.isfile()}  # type: ignore[union-attr]
    [listed] = json.loads(content["manifest.json"])
    text = json.loads(content[listed["Config"]])
    with tempfile.TemporaryFile(dir=path.parent) as layer:
        added = _random_layer(layer, megabytes)
        text["rootfs"]["diff_ids"].append(f"sha256:{added}")
        text.pop("history", None)
        changed = json.dumps(text).encode()
        listed = {"Config": f"{digest(changed)}.json", "RepoTags": None, "Layers": [*listed["Layers"], "added/layer.tar"]}
        with tarfile.open(path, "w") as archive_file:
            for name in listed["Layers"][:-1]:
                _add(archive_file, name, io.BytesIO(content[name]), len(content[name]))
            _add(archive_file, "added/layer.tar", layer, layer.tell())
            _add(archive_file, listed["Config"], io.BytesIO(changed), len(changed))
            whole = json.dumps([listed]).encode()
            _add(archive_file, "manifest.json", io.BytesIO(whole), len(whole))


def _random_layer(file: IO[bytes], megabytes: int) -> str:
    """Write a layer with one file; return its digest. The file's position is its end."""
    header, block, hashed = tarfile.TarInfo("padding"), secrets.token_bytes(1024 * 1024), hashlib.sha256()
    header.size = megabytes * len(block)
    for piece in (header.tobuf(), *(block for _ in range(megabytes)), bytes(1024)):
        file.write(piece)
        hashed.update(piece)
    return hashed.hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    header = tarfile.TarInfo(name)
    header.size = size
    content.seek(0)
    archive.addfile(header, content)
