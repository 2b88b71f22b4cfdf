"""What the gate of a coding session lets through, to the byte."""

import pytest

from services.runtime.codex.gate import pushes, rules
from services.runtime.codex.gate.pushes import Push
from services.runtime.codex.gate.rules import Refused, Rules, Wanted

TOKEN = "t0ken-of-this-session"
RULES = Rules(token=TOKEN, branch="dockup/codex-ab12", may_push=True)
LENGTH = [(b"content-length", b"2")]
BRANCH = b"refs/heads/dockup/codex-ab12"
OLD, NEW = b"0" * 40, b"1f" * 20
CAPABILITIES = b"\0 report-status-v2 side-band-64k object-format=sha1 agent=git/2.39.5"


def line(text: bytes) -> bytes:
    return b"%04x%s" % (len(text) + 4, text)


def push(ref: bytes = BRANCH, new: bytes = NEW, capabilities: bytes = CAPABILITIES, *more: bytes) -> bytes:
    return line(OLD + b" " + new + b" " + ref + capabilities) + b"".join(map(line, more)) + b"0000"


@pytest.mark.parametrize(
    ("method", "path", "headers", "wanted"),
    [
        (b"POST", b"/model/responses", LENGTH, Wanted.MODEL),
        (b"POST", b"/model/responses", [(b"transfer-encoding", b"chunked")], Wanted.MODEL),
        (b"GET", b"/git/info/refs?service=git-upload-pack", [], Wanted.REFS_TO_FETCH),
        (b"GET", b"/git/info/refs?service=git-receive-pack", [(b"content-length", b"0")], Wanted.REFS_TO_PUSH),
        (b"POST", b"/git/git-upload-pack", [*LENGTH, (b"content-encoding", b"gzip")], Wanted.FETCH),
        (b"POST", b"/git/git-receive-pack", LENGTH, Wanted.PUSH),
    ],
)
def test_what_is_let_through(method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], wanted: Wanted) -> None:
    assert rules.judge(RULES, method, f"/{TOKEN}".encode() + path, headers) is wanted


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        (b"POST", b"/model/responses", 404),
        (b"POST", b"/another-token-of-one/model/responses", 404),
        (b"POST", b"/" + TOKEN[:-1].encode() + b"/model/responses", 404),
        (b"POST", b"http://api.openai.com/" + TOKEN.encode() + b"/model/responses", 404),
        *[
            (b"POST", b"/" + TOKEN.encode() + path, 403)
            for path in (
                b"",
                b"/",
                b"x/model/responses",
                b"/model/responses/",
                b"/model/responses?x=1",
                b"/model/responses/resp_1",
                b"/model/../files",
                b"/model/%2e%2e/files",
                b"//model/responses",
                b"/MODEL/responses",
                b"/model/models",
                b"/model/files",
                b"/model/chat/completions",
                b"/git/git-upload-pack?x",
                b"/git/../other.git/git-upload-pack",
                b"/git/info/lfs/objects/batch",
                b"/git/git-upload-archive",
            )
        ],
        *[
            (b"GET", b"/" + TOKEN.encode() + path, 403)
            for path in (
                b"/git/info/refs",
                b"/git/info/refs?service=git-upload-archive",
                b"/git/info/refs?service=git-upload-pack&service=git-receive-pack",
                b"/git/info/refs?service=git-upload-pack#",
                b"/git/HEAD",
                b"/git/objects/info/packs",
                b"/model/models",
            )
        ],
        (b"GET", b"/" + TOKEN.encode() + b"/model/responses", 405),
        (b"CONNECT", b"/" + TOKEN.encode() + b"/model/responses", 405),
        (b"PUT", b"/" + TOKEN.encode() + b"/git/git-receive-pack", 405),
        (b"POST", b"/" + TOKEN.encode() + b"/git/info/refs?service=git-upload-pack", 405),
    ],
)
def test_what_is_not(method: bytes, target: bytes, status: int) -> None:
    with pytest.raises(Refused) as refused:
        rules.judge(RULES, method, target, LENGTH)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (b"/model/responses", [], 411),
        (b"/model/responses", [*LENGTH, (b"transfer-encoding", b"chunked")], 400),
        (b"/model/responses", [*LENGTH, *LENGTH], 400),
        (b"/model/responses", [(b"content-length", b"67108865")], 413),
        (b"/git/git-receive-pack", [*LENGTH, (b"content-encoding", b"gzip")], 415),
        (b"/git/git-receive-pack", [(b"content-length", b"536870913")], 413),
    ],
)
def test_bodies(path: bytes, headers: list[tuple[bytes, bytes]], status: int) -> None:
    with pytest.raises(Refused) as refused:
        rules.judge(RULES, b"POST", f"/{TOKEN}".encode() + path, headers)
    assert refused.value.status == status
    with pytest.raises(Refused):
        rules.judge(RULES, b"GET", f"/{TOKEN}/git/info/refs?service=git-upload-pack".encode(), [(b"transfer-encoding", b"chunked")])


def test_without_a_repository_or_a_right_to_push() -> None:
    nothing, reader = Rules(token=TOKEN), Rules(token=TOKEN, branch="dockup/codex-ab12")
    fetch, refs, send = b"/git/git-upload-pack", b"/git/info/refs?service=git-receive-pack", b"/git/git-receive-pack"
    start = f"/{TOKEN}".encode()
    assert rules.judge(nothing, b"POST", start + b"/model/responses", LENGTH) is Wanted.MODEL
    assert rules.judge(reader, b"POST", start + fetch, LENGTH) is Wanted.FETCH
    for its, method, path in ((nothing, b"POST", fetch), (nothing, b"POST", send), (reader, b"GET", refs), (reader, b"POST", send)):
        with pytest.raises(Refused) as refused:
            rules.judge(its, method, start + path, [] if method == b"GET" else LENGTH)
        assert refused.value.status == 403


def test_headers_go_on_only_where_they_say_nothing_of_who_asks() -> None:
    sent = [
        (b"authorization", b"Bearer mine"),
        (b"cookie", b"a=b"),
        (b"host", b"evil"),
        (b"connection", b"upgrade"),
        (b"x-forwarded-for", b"1.2.3.4"),
        (b"openai-organization", b"other"),
        (b"proxy-authorization", b"x"),
        (b"accept-encoding", b"br"),
        (b"content-type", b"application/json"),
        (b"git-protocol", b"version=2"),
        (b"session_id", b"s"),
    ]
    assert rules.kept(Wanted.MODEL, sent) == {"content-type": "application/json", "session_id": "s"}
    assert rules.kept(Wanted.FETCH, sent) == {"content-type": "application/json", "git-protocol": "version=2"}
    assert rules.kept(Wanted.PUSH, sent) == {"content-type": "application/json"}
    with pytest.raises(Refused):
        rules.kept(Wanted.MODEL, [(b"content-type", b"a"), (b"content-type", b"b")])
    came = [(b"Set-Cookie", b"a"), (b"Location", b"/"), (b"WWW-Authenticate", b"Basic"), (b"Content-Type", b"text/event-stream")]
    came += [(b"openai-organization", b"who-pays"), (b"openai-project", b"proj_1"), (b"openai-model", b"gpt-5")]
    assert rules.back(came) == [(b"content-type", b"text/event-stream"), (b"openai-model", b"gpt-5")]


@pytest.mark.parametrize(
    "head",
    [push(), push(capabilities=CAPABILITIES + b"\n"), push(BRANCH, NEW, CAPABILITIES), line(b"shallow " + NEW + b"\n") + push()],
)
def test_a_push_to_the_branch(head: bytes) -> None:
    """Whole, and in pieces as they come: nothing is decided before the last byte of the commands."""
    for end in range(len(head)):
        assert pushes.read(head[:end]) is None
    found = pushes.read(head + b"PACK and what follows, 0000")
    assert found == Push(size=len(head), ref=BRANCH.decode(), commit=NEW.decode())
    pushes.check(found, "dockup/codex-ab12")


def test_a_question_before_a_push() -> None:
    found = pushes.read(b"0000")
    assert found == Push(size=4)
    pushes.check(found, "dockup/codex-ab12")


@pytest.mark.parametrize(
    "ref",
    [
        b"refs/heads/main",
        b"refs/heads/dockup/codex-ab12x",
        b"refs/heads/dockup/codex-ab1",
        b"refs/heads/dockup/codex-ab12/x",
        b"refs/heads/dockup/codex-ab12/../../main",
        b"refs/heads//dockup/codex-ab12",
        b"refs/heads/Dockup/codex-ab12",
        b"refs/tags/dockup/codex-ab12",
        b"refs/for/main",
        b"refs/heads/dockup/codex-ab12 refs/heads/main",
        b"HEAD",
        b"refs/heads/dockup/codex-ab12\n",
        b"refs/heads/dockup/codex-\xc3\xa412",
    ],
)
def test_a_push_elsewhere(ref: bytes) -> None:
    with pytest.raises(Refused):
        pushes.check(pushes.read(push(ref)) or Push(size=0), "dockup/codex-ab12")


@pytest.mark.parametrize(
    "head",
    [
        push(BRANCH, NEW, CAPABILITIES, OLD + b" " + NEW + b" refs/heads/main"),
        push(BRANCH, NEW, CAPABILITIES, OLD + b" " + NEW + b" refs/heads/main\n"),
        push(BRANCH, NEW, b""),
        push(BRANCH, NEW, CAPABILITIES + b" push-options"),
        push(BRANCH, NEW, CAPABILITIES + b" push-cert=nonce"),
        push(BRANCH, NEW, CAPABILITIES + b"\0refs/heads/main"),
        push(BRANCH, NEW, b"\0report-status\nside-band-64k"),
        push(BRANCH, NEW[:-1]),
        push(BRANCH, NEW.upper()),
        line(b"push-cert\0report-status") + b"0000",
        line(b"shallow " + NEW) + b"0000",
        b"0001",
        b"0004" + push(),
        b"00AF" + push(),
        b" 04f" + push(),
        b"+04f" + push(),
        b"PACK",
        b"fff0" * (pushes.MOST // 4 + 1),
    ],
)
def test_what_is_no_push_of_a_session(head: bytes) -> None:
    with pytest.raises(Refused):
        pushes.read(head)


def test_no_branch_is_deleted() -> None:
    found = pushes.read(push(new=OLD))
    assert found
    with pytest.raises(Refused, match="deletes"):
        pushes.check(found, "dockup/codex-ab12")


def test_whether_the_host_took_it() -> None:
    taken = Push(size=1, ref=BRANCH.decode(), commit=NEW.decode())
    report = b"".join(map(line, (b"unpack ok\n", b"ok " + BRANCH + b"\n"))) + b"0000"
    assert pushes.was_taken(line(b"\1" + report) + b"0000", taken)
    assert not pushes.was_taken(report.replace(b"ok " + BRANCH, b"ng " + BRANCH + b" protected"), taken)
    assert not pushes.was_taken(report.replace(BRANCH, BRANCH + b"x"), taken)
