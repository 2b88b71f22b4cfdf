"""The processes of an app beside `web`: their commands are settings and wait for the next deploy, their sizes are live.

What a `Procfile` says of them came with the image that runs; what somebody set stands before it, name by name.
"""

from collections.abc import Mapping

import msgspec

from libs.common.messages.api import WEB, Limits, Size
from services.api.apps.grammar import check_limits, to_words
from services.api.apps.models import AppRow
from services.api.apps.schemas import AppUpdate, ProcessBody, ProcessView, Settings
from services.api.deployments.models import ReleaseRow
from services.api.deployments.moves import RELEASE, Frozen, commands_of, processes_of
from services.api.http.problems import invalid

MOST = 10
LARGEST = 16 * 1024
"""All commands of an app's processes as JSON, in bytes: two releases of it have to fit into one message."""
_MOST_KEPT = 50
"""Sizes that are remembered, of processes that are gone too: a rollback may bring them back."""
_TAKEN = {
    WEB: "is what takes the requests: its command, replicas and limits are the app's own fields",
    RELEASE: "is the app's own field release_command",
    "run": "is a name that runs have",
}
_frozen = msgspec.json.Decoder(Frozen)
_sizes = msgspec.json.Decoder(dict[str, Size])
Commands = dict[str, tuple[str, ...]]


class _Runs(msgspec.Struct, frozen=True):
    """What is read of a `Release` here, for each app of a list: the rest of it may be large."""

    processes: Commands = {}
    procfile: Commands = {}


_runs = msgspec.json.Decoder(_Runs)


def sizes_of(app: AppRow) -> dict[str, Size]:
    return _sizes.decode(app.processes)


def view_of(app: AppRow, frozen: Frozen) -> dict[str, ProcessView]:
    """Those that are set, and those that the current release's Procfile has."""
    sizes = sizes_of(app)
    shown = sorted(commands_of(frozen, _procfile(app)).items())
    return {name: _view(list(command), sizes.get(name) or _default(app)) for name, command in shown}


def in_use(app: AppRow) -> dict[str, Size]:
    """The sizes of all that are to run or run still, by name."""
    names = set(commands_of(_frozen.decode(app.settings), _procfile(app)))
    for text in (app.current, app.candidate):
        names |= set(_runs.decode(text).processes) if text else set()
    sizes = sizes_of(app)
    return {name: sizes.get(name) or _default(app) for name in sorted(names)}


def count(app: AppRow) -> None:
    """Note what they may use together; None where one of them has no limit. Call it when processes, or what runs, changed."""
    sizes = [size for size in in_use(app).values() if size.replicas]
    cpu = [None if size.limits.cpu is None else size.limits.cpu * size.replicas for size in sizes]
    memory = [None if size.limits.memory is None else size.limits.memory * size.replicas for size in sizes]
    app.process_cpu = None if None in cpu else sum(one for one in cpu if one is not None)
    app.process_memory = None if None in memory else sum(one for one in memory if one is not None)


def bring(app: AppRow, names: Mapping[str, object]) -> None:
    """Processes that a release brings get a size where they have none: one replica, with the app's own limits."""
    sizes = sizes_of(app)
    _put(app, {**{name: _default(app) for name in names}, **sizes})
    count(app)


def bring_in(app: AppRow, release: ReleaseRow) -> None:
    """As `bring`, of a Procfile: nobody is there to be refused beside a volume with one writer, so that none of its processes runs then."""
    names = processes_of(release)
    if any(not mount.shared for mount in _frozen.decode(release.settings).volumes):
        _put(app, {**sizes_of(app), **{name: Size(replicas=0, limits=_default(app).limits) for name in names}})
    bring(app, names)


def merge(app: AppRow, frozen: Frozen, body: Settings) -> tuple[Commands, list[str]]:
    """The commands that are set from now on, and the names of what is another now. Changes the sizes in the row.

    `processes.NAME` stands for a size. Null removes one; a command that is null is the Procfile's again.
    """
    if isinstance(body.processes, msgspec.UnsetType):
        return frozen.processes, []
    given = dict.fromkeys(frozen.processes) if body.processes is None else body.processes
    there = commands_of(frozen, _procfile(app))
    commands, sizes = dict(frozen.processes), sizes_of(app)
    for name, one in given.items():
        _check_name(name)
        if one is None:
            _remove(app, name, commands)
            continue
        before = (sizes.get(name) if name in there else None) or _default(app)
        sizes.pop(name, None)
        sizes[name] = _size(name, before, one)
        _take_command(app, name, one, commands, shown=there.get(name) if _comes_back(app, body) else None)
    _check(app, commands, [name for name, one in given.items() if one is not None])
    changed = [f"processes.{name}" for name, size in sizes.items() if sizes_of(app).get(name) != size]
    _put(app, sizes)
    return commands, (["processes"] if commands != frozen.processes else []) + sorted(changed)


def _put(app: AppRow, sizes: dict[str, Size]) -> None:
    """The oldest that nobody uses are forgotten."""
    used = in_use(app)
    kept = [name for name in sizes if name not in used][-_MOST_KEPT:]
    app.processes = msgspec.json.encode({name: size for name, size in sizes.items() if name in used or name in kept}).decode()


def _procfile(app: AppRow) -> Commands:
    return _runs.decode(app.current).procfile if app.current else {}


def _default(app: AppRow) -> Size:
    return Size(limits=Limits(cpu=app.cpu_limit, memory=app.memory_limit))


def _view(command: list[str], size: Size) -> ProcessView:
    return ProcessView(command=command, replicas=size.replicas, cpu_limit=size.limits.cpu, memory_limit=size.limits.memory)


def _comes_back(app: AppRow, body: Settings) -> bool:
    """A whole app that comes back as it was read: what it shows of the Procfile is nobody's wish."""
    return isinstance(body, AppUpdate) and (body.id, body.created_at) == (app.id, app.created_at)


def _check_name(name: str) -> None:
    if name in _TAKEN:
        raise invalid(f"/processes/{name}", _TAKEN[name])


def _remove(app: AppRow, name: str, commands: Commands) -> None:
    if commands.pop(name, None) is None and name in _procfile(app):
        raise invalid(f"/processes/{name}", "comes from the Procfile: take it out there, or set its replicas to 0")


def _size(name: str, before: Size, given: ProcessBody) -> Size:
    limits = before.limits
    cpu = limits.cpu if isinstance(given.cpu_limit, msgspec.UnsetType) else given.cpu_limit
    memory = limits.memory if isinstance(given.memory_limit, msgspec.UnsetType) else given.memory_limit
    check_limits(cpu, memory, f"/processes/{name}")
    replicas = before.replicas if isinstance(given.replicas, msgspec.UnsetType) else given.replicas
    return Size(replicas=replicas, limits=Limits(cpu=cpu, memory=memory))


def _take_command(app: AppRow, name: str, given: ProcessBody, commands: Commands, *, shown: tuple[str, ...] | None) -> None:
    if isinstance(given.command, msgspec.UnsetType):
        return
    words = to_words(given.command, f"/processes/{name}/command")
    if words is None:
        commands.pop(name, None)
    elif name in commands or words != shown or name not in _procfile(app):
        commands[name] = words


def _check(app: AppRow, commands: Commands, given: list[str]) -> None:
    there = commands_of(Frozen(processes=commands), _procfile(app))
    if missing := [name for name in given if name not in there]:
        raise invalid(f"/processes/{missing[0]}/command", "is missing: neither you nor the Procfile that runs says what it does")
    if len(there) > MOST:
        raise invalid("/processes", f"takes at most {MOST} beside web; with these it would be {len(there)}")
    if len(msgspec.json.encode(there)) > LARGEST:
        raise invalid("/processes", f"takes commands of at most {LARGEST // 1024} KB together")
