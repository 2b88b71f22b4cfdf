"""What Dockup keeps things in: bus, database, Redis, certificates, backups; and whether the database may be written."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import nats
import nats.errors
import nats.js.errors
from cryptography import x509
from nats.aio.client import Client
from nats.js import JetStreamContext
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common import subjects
from libs.supervisor import schema
from libs.supervisor.doctor.finding import Finding, ok, problem, skipped, warning
from libs.supervisor.doctor.patient import Patient

_MEGABYTE = 1024**2
_STREAMS = (subjects.COMMANDS, subjects.EVENTS, subjects.LOGS, subjects.DEADLETTER)
_SECONDS = 3
_SHOWN = 3
_RENEWED_BEFORE = timedelta(days=25)
"""The router renews 30 days before the end: what is older than this was not renewed."""
_RENEWED_SHARE = 1 / 4
"""Of its life: what an authority issued is renewed with a third of it left."""
_BACKUP_AGE = timedelta(days=7)
_DOWN = "not looked at: Dockup is down"
FAULTS = (nats.errors.Error, nats.js.errors.Error, RedisError, OSError, TimeoutError)


async def bus(patient: Patient) -> list[Finding]:
    if not patient.up and not patient.settings.nats_url:
        return [skipped("bus", _DOWN)]
    try:
        client = await nats.connect(
            patient.told("api")["DOCKUP_NATS_SETUP_URL"], inbox_prefix=b"_INBOX_setup", connect_timeout=_SECONDS, allow_reconnect=False
        )
    except FAULTS as error:
        return [problem("bus", f"NATS does not answer: {error or type(error).__name__}", "see: dockup logs nats")]
    try:
        return await _streams(client)
    except FAULTS as error:
        return [problem("bus", f"JetStream does not answer: {error or type(error).__name__}", "see: dockup logs nats")]
    finally:
        await client.close()


async def _streams(client: Client) -> list[Finding]:
    js = client.jetstream(timeout=_SECONDS)
    counts: dict[str, int] = {}
    size = 0
    for name in _STREAMS:
        state = (await js.stream_info(name)).state
        counts[name], size = state.messages, size + state.bytes
    waiting = await js.consumer_info(subjects.COMMANDS, "builder")
    text = f"{counts[subjects.EVENTS]} events, {waiting.num_pending} commands wait, {waiting.num_ack_pending} are worked on"
    found = [ok("bus", f"{text}, {size / _MEGABYTE:.1f} MB")]
    if dead := counts[subjects.DEADLETTER]:
        how = "its deployment has failed with the reason; deploy again; dockup logs builder has more"
        found.append(warning("bus", f"{dead} dead letters: {'; '.join(await _reasons(js))}", how))
    return found


async def _reasons(js: JetStreamContext) -> list[str]:
    """Of the newest dead letters."""
    last = (await js.stream_info(subjects.DEADLETTER)).state.last_seq
    found = []
    for seq in range(last, max(last - _SHOWN, 0), -1):
        try:
            headers = (await js.get_msg(subjects.DEADLETTER, seq)).headers or {}
        except nats.js.errors.NotFoundError:
            continue
        parts = headers.get("Dockup-Subject", "?").split(".")
        found.append(f"{'.'.join(parts[2:4])}: {headers.get('Dockup-Reason', 'no reason')}")
    return found


async def database(patient: Patient) -> list[Finding]:
    seen, newest = patient.records, schema.newest()
    if seen is None:
        if patient.state is None or (not patient.up and patient.records_trouble == "there is no database yet"):
            return [skipped("database", "there is none yet")]
        return [
            problem("database", f"it cannot be read: {patient.records_trouble}", "see: dockup logs api; dockup restore brings a backup")
        ]
    text = f"{seen.kind}, schema {seen.schema}, {seen.size_bytes / _MEGABYTE:.1f} MB, {len(seen.apps)} apps"
    if seen.verdict != "ok":
        return [problem("database", f"{text}: damaged: {seen.verdict}", "bring the last backup: dockup restore FILE")]
    if seen.schema > newest:
        how = "take the newer Dockup again, or go back by one version with it: dockup upgrade --undo"
        return [problem("database", f"{text}: newer than this Dockup, which knows {newest}", how)]
    if seen.schema < newest:
        return [warning("database", f"{text}: the next start brings it to {newest}", "dockup down, then dockup up --detach")]
    return [ok("database", f"{text}, whole")]


async def redis(patient: Patient) -> list[Finding]:
    if not patient.up and not patient.settings.redis_url:
        return [skipped("redis", _DOWN)]
    client = Redis.from_url(patient.told("api")["DOCKUP_REDIS_URL"], socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
    try:
        seen = await client.info()
    except FAULTS as error:
        how = "see: dockup logs redis; Dockup goes on without it, slower"
        return [warning("redis", f"it does not answer: {error or type(error).__name__}", how)]
    finally:
        await client.aclose()
    return [ok("redis", f"{seen['redis_version']}, {int(seen['used_memory']) / _MEGABYTE:.1f} MB")]


async def certificates(patient: Patient) -> list[Finding]:
    if patient.environ.get("DOCKUP_TLS") == "off":
        return [skipped("certificates", "none: DOCKUP_TLS is off")]
    files = [patient.home.root_certificate, *sorted((patient.home.router / "certs").glob("*.pem"))]
    lives = {path.name: _life(path) for path in files if path.exists()}
    if not lives:
        return [skipped("certificates", "there are none yet")]
    if unreadable := [name for name, life in lives.items() if life is None]:
        return [problem("certificates", f"cannot be read: {', '.join(unreadable)}", "remove the file; the router makes it anew")]
    first, (begin, end) = min(((name, life) for name, life in lives.items() if life), key=lambda each: each[1][1])
    left = end - datetime.now(UTC)
    text = f"{len(lives)}, the first to end is {first} on {end:%Y-%m-%d}"
    how = "they are renewed before that: start Dockup, and see: dockup logs router"
    if left < timedelta():
        return [problem("certificates", f"{text}: it has ended", how)]
    is_late = left < min(_RENEWED_BEFORE, (end - begin) * _RENEWED_SHARE)
    return [warning("certificates", f"{text}, in {left.days} days", how) if is_late else ok("certificates", text)]


def _life(path: Path) -> tuple[datetime, datetime] | None:
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found.not_valid_before_utc, found.not_valid_after_utc


async def recovery(patient: Patient) -> list[Finding]:
    if patient.records is None:
        return [skipped("recovery", "not known: this takes the database")]
    if patient.records.recovery is None:
        return [ok("recovery", "not needed")]
    reason = msgspec.json.decode(patient.records.recovery)["reason"]
    return [problem("recovery", f"needed: {reason} Writes are refused.", "dockup recover shows what differs, and ends it")]


async def backups(patient: Patient) -> list[Finding]:
    found = sorted(patient.home.backups.glob("*.age"), key=lambda path: path.stat().st_mtime) if patient.home.backups.is_dir() else []
    if patient.state is None:
        return [skipped("backups", "there is nothing to back up yet")]
    if not found:
        return [warning("backups", f"there is none in {patient.home.backups}", "dockup backup; then copy the file to another machine")]
    age = datetime.now(UTC) - datetime.fromtimestamp(found[-1].stat().st_mtime, UTC)
    hours = int(age.total_seconds() // 3600)
    text = f"the newest of {len(found)} is {f'{hours} h' if hours < 48 else f'{age.days} days'} old ({found[-1].name})"  # noqa: PLR2004 - two days
    return [warning("backups", text, "dockup backup, daily by cron") if age > _BACKUP_AGE else ok("backups", text)]
