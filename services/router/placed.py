"""Requests that go to a replica by its address, as the waker said it, for a worker that has no server for it.

A worker that a reload replaced takes no server into use any more, yet it may still hold requests of an app that slept, and serves the
connections that were open.
"""

BACKEND = "placed"
TOLD = "{ var(txn.address) -m found }"
_ENTRIES = 10_000


def section() -> str:
    """The backend. Its table has the number of sessions by replica: `conn_cur`."""
    lines = (
        f"stick-table type string len 200 size {_ENTRIES} expire 1m store conn_cur",
        "http-reuse never",
        "http-request track-sc1 var(txn.replica)",
        "http-request set-dst var(txn.address)",
        "http-request set-dst-port var(txn.port)",
        "server any 0.0.0.0",
    )
    return f"backend {BACKEND} from apps\n" + "".join(f"    {line}\n" for line in lines)


def sessions(table: str) -> dict[str, int]:
    """By replica, from `show table`: lines such as `0x55…: key=dk-app-web-r1.0-0 use=1 exp=59000 conn_cur=1`."""
    found = {}
    for line in table.splitlines():
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "key" in words and words.get("conn_cur", "0") != "0":
            found[words["key"]] = int(words["conn_cur"])
    return found
