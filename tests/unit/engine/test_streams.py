"""What is read from the engine's byte streams and from the kernel's tables."""

import struct
from ipaddress import ip_address

from libs.common.engine import events, lines, logs, ports


def framed(stream: int, text: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(text)) + text


def test_lines_over_chunk_borders() -> None:
    assert list(lines.split(iter([b'{"a"', b":1}\r\n{", b'"b":2}\n\n', b"cut off"]))) == [b'{"a":1}\r', b'{"b":2}']


def test_frames_over_chunk_borders() -> None:
    raw = framed(1, b"T one\n") + framed(2, b"T two\n")
    for size in range(1, len(raw) + 1):
        chunks = [raw[at : at + size] for at in range(0, len(raw), size)]
        assert list(logs.frames(chunks)) == [(1, b"T one\n"), (2, b"T two\n")]


def test_pieces_of_a_line_are_joined_by_stream() -> None:
    found = logs.join([(1, b"T1 long"), (2, b"T2 error\n"), (1, b"T3 er\r\n"), (1, b"T4 \n"), (2, b"T5 open")])
    assert [(line.at, line.stream, line.message) for line in found] == [
        ("T2", "stderr", "error"),
        ("T1", "stdout", "longer"),
        ("T4", "stdout", ""),
        ("T5", "stderr", "open"),
    ]


def test_the_newest_entries_that_fit() -> None:
    assert logs.last([(1, b"12345"), (1, b"67"), (2, b"89")], 4) == [(1, b"67"), (2, b"89")]


def test_an_event() -> None:
    line = (
        b'{"Type":"container","Action":"health_status: healthy","Actor":{"ID":"abc","Attributes":{"name":"n"}},'
        b'"time":1700000000,"timeNano":1700000000123456789,"scope":"local"}'
    )
    assert events.read(line) == events.EngineEvent(
        at="2023-11-14T22:13:20.123Z",
        kind="container",
        action="health_status",
        container_id="abc",
        attributes={"name": "n"},
    )


def test_the_kernels_tables() -> None:
    v4 = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
        "   0: 0B00007F:A37D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
        "   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
        "   2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
        "   3: 0200D50A:1F90 0100D50A:C1B2 01 00000000:00000000 00:00000000 00000000     0\n"
    )
    v6 = (
        "  sl  local_address                         remote_address                        st\n"
        "   0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 0:0\n"
        "   1: 00000000000000000000000001000000:0BB9 00000000000000000000000000000000:0000 0A 0:0\n"
    )
    assert list(ports.parse(v4)) == [(ip_address("0.0.0.0"), 8080), (ip_address("127.0.0.1"), 80)]
    assert list(ports.parse(v6)) == [(ip_address("::"), 3000), (ip_address("::1"), 3001)]
