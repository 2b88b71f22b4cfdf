"""The accounts at the end: what was asked for, what the feed tells, what the API says, what the engine and the proxy have."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import msgspec

from services.router import live
from services.router.files import Files
from tests.faults.engine import OwnEngine
from tests.faults.ledger import Asked, Ledger
from tests.faults.story import ENDS, Story, stories
from tests.faults.world import World
from tests.images import exits

Json = dict[str, Any]
_INTENT = {"start": "running", "unpause": "running", "restart": "running", "stop": "stopped", "pause": "paused", "delete": "deleted"}
_ALWAYS = {"deploy": "deployment.queued", "rollback": "deployment.queued", "restart": "app.restart", "unpause": "app.unpause"}
"""Verbs that are never nothing to do, and what the audit has of each."""


class Verdict(msgspec.Struct, kw_only=True):
    """Each list has a sentence for each finding. `wrong`: two views of one thing that differ."""

    lost: list[str] = []
    doubled: list[str] = []
    orphaned: list[str] = []
    wrong: list[str] = []

    def __str__(self) -> str:
        groups = {name: getattr(self, name) for name in self.__struct_fields__}
        head = ", ".join(f"{name} {len(found)}" for name, found in groups.items())
        return "\n".join([head, *(f"  {name}: {line}" for name, found in groups.items() for line in found[:20])])

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.orphaned or self.wrong)


async def pages(http: httpx.AsyncClient, path: str) -> list[Json]:
    """Every item of a list that goes by `cursor`."""
    found: list[Json] = []
    cursor: Json = {}
    while True:
        page = (await http.get(path, params={"limit": 200, **cursor})).raise_for_status().json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def feed(http: httpx.AsyncClient) -> list[Json]:
    found: list[Json] = []
    after = 0
    while True:
        page = (await http.get("/events", params={"after": after, "limit": 200})).raise_for_status().json()
        found += page["items"]
        if page["next_after"] == after or not page["items"]:
            return found
        after = page["next_after"]


async def account(world: World, http: httpx.AsyncClient, ledger: Ledger) -> Verdict:
    """Take the accounts once, as things are now."""
    told = await feed(http)
    known = stories(told)
    verdict = Verdict()
    account_requests(verdict, ledger, known, await pages(http, "/audit"))
    account_feed(verdict, ledger, told, known)
    apps = {app["id"]: app for app in await pages(http, "/apps")}
    deployments = [each for app_id in apps for each in await pages(http, f"/apps/{app_id}/deployments")]
    _account_api(verdict, known, apps, deployments)
    machine = await asyncio.to_thread(_Machine, world.engine)
    for story in known.values():
        _account_app(verdict, story, apps.get(story.app_id), machine)
    _account_machine(verdict, known, machine)
    await _account_proxy(verdict, world, known, apps, machine)
    return verdict


def account_requests(verdict: Verdict, ledger: Ledger, known: dict[str, Story], audit: list[Json]) -> None:
    acts = Counter((entry["request_id"], entry["action"], entry["target"]) for entry in audit)
    done = {(request_id, action) for request_id, action, _ in acts}
    again = {one.id: one for one in ledger.asked if one.verb != "scale"}  # another's scale may come between two tries of one
    for (request_id, action, _), times in acts.items():
        if times > 1 and request_id in again:
            verdict.doubled.append(f"{again[request_id].verb} {request_id} of {again[request_id].slug}: {times} times {action}")
    for one in ledger.accepted():
        if one.verb in _ALWAYS and (one.id, _ALWAYS[one.verb]) not in done:
            verdict.lost.append(f"the audit has nothing of {one.verb} {one.id} of {one.slug}")
        if one.app_id is None or (story := known.get(one.app_id)) is None:
            verdict.lost.append(f"the feed has nothing of the app of {one.verb} {one.id} of {one.slug}")
        elif not _took_effect(one, story):
            verdict.lost.append(
                f"{one.verb} {one.value or ''} {one.id} of {one.slug} ({one.app_id}) at {one.sent:.3f} to {one.answered:.3f}"
            )


def _took_effect(one: Asked, story: Story) -> bool:
    """Whether what was accepted was so at a moment between the question and its answer; what came after it overtook it."""
    if one.verb == "scale":
        return story.had(one.value or 0, one.sent, one.answered)
    if one.verb == "stop" and (story.first_live is None or story.first_live > one.sent):
        return True  # nothing was live: there was only a deployment to cancel, or nothing at all
    if one.verb in _INTENT:
        return story.was(_INTENT[one.verb], one.sent, one.answered)
    ends = story.deployments.get(one.deployment_id or "", Counter())
    if one.verb == "cancel":
        return ends["cancelled"] == 1
    return sum(ends[end] for end in ENDS) == 1


def account_feed(verdict: Verdict, ledger: Ledger, told: list[Json], known: dict[str, Story]) -> None:
    seqs = [event["seq"] for event in told]
    if seqs != sorted(set(seqs)):
        verdict.doubled.append("a seq of the feed is there twice, or falls")
    facts = Counter(
        (event["type"], event["data"].get("container_id"), event["at"]) for event in told if event["type"].startswith("replica.")
    )
    verdict.doubled += [f"{times} times {fact}" for fact, times in facts.items() if times > 1]
    asked = {one.deployment_id: one for one in ledger.accepted("deploy", "rollback")}
    unanswered = sum(one.verb in {"deploy", "rollback"} and one.outcome == "unknown" for one in ledger.asked)
    strangers = 0
    for story in known.values():
        for deployment_id, kinds in story.deployments.items():
            strangers += deployment_id not in asked
            verdict.doubled += [f"{times} times deployment.{kind} of {deployment_id}" for kind, times in kinds.items() if times > 1]
            if (ends := sum(kinds[end] for end in ENDS)) != 1:
                (verdict.lost if ends == 0 else verdict.doubled).append(f"{deployment_id} ended {ends} times: {dict(kinds)}")
            if deployment_id in asked and asked[deployment_id].image == exits() and kinds["live"]:
                verdict.wrong.append(f"{deployment_id} went live, and its program exits at once")
    if strangers > unanswered:
        verdict.doubled.append(f"{strangers} deployments of nobody's, and {unanswered} requests without an answer")


def _account_api(verdict: Verdict, known: dict[str, Story], apps: dict[str, Json], deployments: list[Json]) -> None:
    for deployment in deployments:
        story = known.get(deployment["app_id"])
        kinds = story.deployments.get(deployment["id"], Counter()) if story else Counter()
        if not kinds[deployment["status"]]:
            verdict.wrong.append(f"{deployment['id']} is {deployment['status']}, and the feed tells of {dict(kinds)}")
    verdict.wrong += [f"{app_id} is nowhere in the feed" for app_id in apps.keys() - known.keys()]


class _Machine:
    """What the engine has: it is all ours."""

    def __init__(self, engine: OwnEngine) -> None:
        client = engine.client()
        self.containers: list[Json] = client.containers(all=True)
        self.networks: list[Json] = client.networks(filters={"type": "custom"})
        self.tags: list[str] = [tag for image in client.images() for tag in image["RepoTags"] or () if tag.startswith("dockup/")]

    def of(self, app_id: str) -> list[Json]:
        return [one for one in self.containers if one["Labels"].get("dockup.app") == app_id]


def _account_app(verdict: Verdict, story: Story, app: Json | None, machine: _Machine) -> None:
    if story.intent == "deleted":
        if app is not None or not story.is_gone:
            verdict.lost.append(f"{story.app_id} was to be deleted, and is there")
        return
    if app is None:
        verdict.lost.append(f"{story.app_id} is gone, and nobody deleted it")
        return
    state = "paused" if story.intent == "paused" else "running"
    wanted = Counter((story.current, str(slot), state) for slot in range(story.wanted))
    there = Counter(
        (one["Labels"].get("dockup.deployment"), one["Labels"].get("dockup.slot"), one["State"]) for one in machine.of(story.app_id)
    )
    verdict.lost += [f"{app['slug']} {story.app_id} lacks {place}" for place in (wanted - there)]
    verdict.orphaned += [f"{app['slug']} {story.app_id} has {place} too many" for place in (there - wanted)]
    if story.intent == "running":  # one that is paused may have been paused ahead of its new replicas
        old = [one["Names"] for one in machine.of(story.app_id) if one["Labels"].get("dockup.restart") != str(story.restarts)]
        verdict.lost += [f"{app['slug']} {story.app_id}: restart {story.restarts} did not replace {names}" for names in old]
    status = story.intent if story.current is not None else "stopped"
    says = (app["status"], app["current_deployment_id"], app["replicas"], app["current_replicas"])
    expected = (status, story.current, story.replicas[-1][1], 0 if state == "paused" else story.wanted)
    if says != expected:
        verdict.wrong.append(f"{app['slug']} {story.app_id}: the API says {says} ({app['status_reason']}), and it is {expected}")


def _account_machine(verdict: Verdict, known: dict[str, Story], machine: _Machine) -> None:
    living = {story.app_id for story in known.values() if story.intent != "deleted"}
    for one in machine.containers:
        if one["Labels"].get("dockup.app") not in living:
            verdict.orphaned.append(f"container {one['Names']} {one['State']}")
    verdict.orphaned += [f"image {tag}" for tag in machine.tags if tag.removeprefix("dockup/").partition(":")[0] not in living]
    if len(machine.networks) > (1 if living else 0):
        verdict.orphaned.append(f"networks {[one['Name'] for one in machine.networks]} of one project")


async def _account_proxy(verdict: Verdict, world: World, known: dict[str, Story], apps: dict[str, Json], machine: _Machine) -> None:
    found = await live.read(Files(str(world.stack.home.root)), tls=True)
    of_app = {app_id: world.stack.host(app["slug"]) for app_id, app in apps.items()}
    hosts, wanted_hosts = set(of_app.values()), {of_app[story.app_id] for story in known.values() if story.current and story.app_id in apps}
    verdict.orphaned += [f"route of {host}" for host in found.hosts.keys() - hosts]
    verdict.lost += [f"route of {host}" for host in wanted_hosts - found.hosts.keys()]
    verdict.orphaned += [f"certificate of {host}" for host in found.certificates - hosts - {"localhost"}]
    servers = [f"{backend}/{name} {state}" for backend, named in found.servers.items() for name, state in named.items()]
    # Who is paused serves nobody: replicas that came meanwhile, as after a restart of the engine, are routed when it goes on.
    least, most = (
        sum(story.wanted for story in known.values() if story.app_id in apps and (story.intent != "paused" or counted))
        for counted in (False, True)
    )
    if not least <= len(servers) <= most:
        (verdict.orphaned if len(servers) > most else verdict.lost).append(
            f"{len(servers)} servers in the proxy, wanted {least} to {most}: {servers}"
        )
