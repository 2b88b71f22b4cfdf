"""Archives on their way into a volume: what is refused, and that the rest comes out as it went in."""

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest

from services.runtime.volumes import plain
from services.runtime.volumes.unpacking import ArchiveRefused, ArchiveWaits, Unpacked


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def unpacked(archive: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    whole = b"".join(Unpacked(io.BytesIO(archive), lambda _: None))
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        return [(info, file.read() if info.isreg() and (file := tar.extractfile(info)) else b"") for info in tar]


LINK = member("link", tarfile.SYMTYPE, linkname="etc")


@pytest.mark.parametrize(
    "bad",
    [
        (member("../out"),),
        (member("/etc/passwd"),),
        (member("a/../../out"),),
        (member("a", tarfile.LNKTYPE, linkname="../../etc/passwd"),),
        (member("a", tarfile.LNKTYPE, linkname="/etc/passwd"),),
        (member("a", tarfile.SYMTYPE, linkname="../etc"),),
        (member("d/a", tarfile.SYMTYPE, linkname="../../etc"),),
        (LINK, member("link/passwd", content=b"x")),
        (LINK, member("a", tarfile.LNKTYPE, linkname="link/passwd")),
        (member("d/link", tarfile.SYMTYPE, linkname="/"), member("./d/link/etc/passwd", content=b"x")),
        (member("sda", tarfile.BLKTYPE, devmajor=8),),
        (member("mem", tarfile.CHRTYPE, devmajor=1, devminor=1),),
    ],
)
def test_what_leads_out_or_is_a_device_is_refused(bad: tuple[tuple[tarfile.TarInfo, bytes], ...]) -> None:
    with pytest.raises(ArchiveRefused):
        unpacked(packed(member("fine", content=b"1"), *bad))


def whole() -> bytes:
    return packed(
        member("./", tarfile.DIRTYPE, mode=0o700, uid=999, gid=998),
        member("./pg/data", content=bytes(range(256)) * 1000, uid=999, gid=998, mode=0o640, mtime=1_700_000_000),
        member("n" * 150 + "/" + "\u00fc" * 60, content=b"long"),
        member("x", content=b"attributes", pax_headers={"SCHILY.xattr.user.a": "b", "comment": "gone"}),
        member("hard", tarfile.LNKTYPE, linkname="./pg/data"),
        member("d/soft", tarfile.SYMTYPE, linkname="../pg/data"),
        member("absolute", tarfile.SYMTYPE, linkname="/data/pg"),
        member("pipe", tarfile.FIFOTYPE),
    )


def in_two(archive: bytes) -> bytes:
    """As tools do that compress with several processors, or in turns."""
    return gzip.compress(archive[:1000]) + gzip.compress(b"") + gzip.compress(archive[1000:])


COMPRESSED = [bytes, gzip.compress, bz2.compress, lzma.compress, in_two]


@pytest.mark.parametrize("compress", COMPRESSED)
def test_the_rest_comes_as_it_went_in(compress: Callable[[bytes], bytes]) -> None:
    found = {info.name: (info, content) for info, content in unpacked(compress(whole()))}
    assert set(found) == {".", "pg/data", "n" * 150 + "/" + "\u00fc" * 60, "x", "hard", "d/soft", "absolute", "pipe"}
    info, content = found["pg/data"]
    assert (content, info.uid, info.gid, info.mode, info.mtime) == (bytes(range(256)) * 1000, 999, 998, 0o640, 1_700_000_000)
    assert (found["."][0].mode, found["."][0].uid) == (0o700, 999)
    assert found["x"][0].pax_headers == {"SCHILY.xattr.user.a": "b"}
    assert found["hard"][0].linkname == "pg/data"


def test_a_link_that_a_file_took_the_place_of_is_no_way_any_more() -> None:
    assert [info.name for info, _ in unpacked(packed(LINK, member("link", tarfile.DIRTYPE), member("link/x")))] == [
        "link",
        "link",
        "link/x",
    ]


@pytest.mark.parametrize("size", [0, 1, 512, 700, 1024, 1100, 100_000, 256_512, -1024, -512])
def test_one_that_breaks_off_is_refused_wherever_it_does(size: int) -> None:
    archive = whole().rstrip(b"\0")
    cut = archive[:size] if size >= 0 else packed(member("a"), member("b", content=b"1"))[: 512 * 3]
    with pytest.raises(ArchiveRefused):
        unpacked(cut)


@pytest.mark.parametrize(
    "junk", [b"not a tar" * 200, packed(member("a"))[:512] + b"junk" * 500, b"\x1f\x8b" + b"x" * 2000, gzip.compress(whole())[:-900]]
)
def test_what_is_no_archive_is_refused(junk: bytes) -> None:
    with pytest.raises(ArchiveRefused):
        unpacked(junk)


def sparse(blocks: int) -> bytes:
    """As GNU tar writes a file with holes, with so many blocks of its map, of which the last says that there are more."""
    head = tarfile.TarInfo("holes")
    head.type = tarfile.GNUTYPE_SPARSE
    raw = bytearray(head.tobuf(tarfile.GNU_FORMAT))
    raw[482] = 1
    raw[148:156] = b"        "
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw) + (b"00000001000\0" * 42 + b"\1" * 8) * blocks


@pytest.mark.parametrize(
    "bomb",
    [
        packed(member("a", pax_headers={"comment": "x" * 3 * 1024**2})),
        sparse(10_000),
        sparse(2),
        packed(*(member(f"{number}{'n' * 4_000}", tarfile.SYMTYPE, linkname="x") for number in range(200))),
    ],
    ids=["attributes", "holes", "cut holes", "links"],
)
def test_what_would_be_held_in_memory_has_an_end(bomb: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compressed it is small."""
    monkeypatch.setattr("services.runtime.volumes.unpacking._MOST_LINKS", 500_000)
    with pytest.raises(ArchiveRefused):
        unpacked(gzip.compress(bomb))


def test_room_is_asked_for_as_it_grows() -> None:
    seen: list[int] = []
    list(Unpacked(io.BytesIO(packed(member("a", content=bytes(600_000)))), seen.append))
    assert seen[-1] == 600_000
    assert len(seen) == 3

    def full(_size: int) -> None:
        raise ArchiveRefused("full")

    chunks: Iterator[bytes] = iter(Unpacked(io.BytesIO(packed(member("a", content=b"1"))), full))
    with pytest.raises(ArchiveRefused):
        list(chunks)


ZEROS = 64 * 1024 * 1024


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_what_a_few_bytes_stand_for_is_not_held_at_once(compress: Callable[[bytes], bytes]) -> None:
    """64 MB of zeros are 50 bytes for bzip2, of which a reader that asks for no end makes all at once."""
    head = tarfile.TarInfo("zeros")
    head.size = ZEROS
    packed_ = io.BytesIO(compress(head.tobuf() + bytes(ZEROS + 1024)))
    tracemalloc.start()
    try:
        assert sum(len(chunk) for chunk in Unpacked(packed_, lambda _: None)) > ZEROS
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


def greedy() -> bytes:
    """An archive under xz whose header says that unpacking it takes a dictionary of 4 GB."""
    packed_ = bytearray(lzma.compress(whole()))
    packed_[16] = 40
    packed_[20:24] = zlib.crc32(packed_[12:20]).to_bytes(4, "little")
    return bytes(packed_)


def test_an_archive_does_not_say_how_much_memory_it_gets() -> None:
    with pytest.raises(ArchiveRefused, match="memory"):
        unpacked(greedy())
    assert unpacked(lzma.compress(whole(), preset=9))


def test_those_that_take_much_memory_have_turns() -> None:
    open_ = [plain.Plain(io.BytesIO(lzma.compress(whole()))) for _ in range(4)]
    with pytest.raises(ArchiveWaits):
        unpacked(lzma.compress(whole()))
    assert unpacked(gzip.compress(whole()))
    for one in open_:
        one.close()
    for junk in (b"\xfd7zXZ\0junk" * 99, lzma.compress(whole())[:-99], greedy()):
        with pytest.raises(ArchiveRefused):
            unpacked(junk)
    for _ in range(5):
        assert unpacked(lzma.compress(whole()))
