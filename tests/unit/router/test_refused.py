import pytest

from services.router import placed, refused
from services.router.refused import Refusals


def test_who_is_refused_is_said_until_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(refused, "monotonic", lambda: now)
    refusals = Refusals()
    assert not refusals.due
    refusals.note(["a", "b", "c"], {"a": "HAProxy refused 'x'", "b": "HAProxy refused 'y'"})
    assert refusals.problem.startswith("a and 1 more: HAProxy refused 'x'.")
    assert not refusals.due
    pauses = []
    for _ in range(15):
        before = now
        while not refusals.due:
            now += 0.5
        pauses.append(now - before)
        refusals.retry()
    assert pauses[:4] == [0.5, 1, 2, 4]
    assert pauses[-1] == 3600
    refusals.note(["a"], {})
    assert refusals.apps == {"b": "HAProxy refused 'y'"}
    refusals.note(["b", "c"], {})
    assert (refusals.problem, refusals.due) == ("", False)


def test_sessions_by_replica() -> None:
    table = (
        "# table: placed, type: string, size:10000, used:2\n"
        "0x7f1: key=dk-a-web-r1.0-0 use=2 exp=60000 shard=0 conn_cur=2\n"
        "0x7f2: key=dk-a-web-r1.0-1 use=0 exp=10 shard=0 conn_cur=0\n"
    )
    assert placed.sessions(table) == {"dk-a-web-r1.0-0": 2}
