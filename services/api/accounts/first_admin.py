"""The first start makes an admin, and `credentials.json` says how to come in."""

import os
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from libs.common.secrets import fingerprint
from services.api.accounts import passwords
from services.api.accounts.models import ApiKeyRow, UserRow
from services.api.accounts.schemas import NewUser
from services.api.accounts.service import create_user
from services.api.api_keys.service import insert_key
from services.api.core import Core

FILE = "credentials.json"
_KEY_NAME = "credentials.json"

logger = structlog.get_logger()


class Credentials(msgspec.Struct, kw_only=True):
    """The file. `password` is None when the file was lost and made again: only its hash is kept."""

    url: str
    email: str
    password: str | None
    api_key: str


async def ensure(core: Core) -> None:
    """Make the first admin if there is no user, and write the file if it is not there. Any number of processes may do so at once."""
    path = Path(core.settings.home) / FILE
    try:
        made = await _make_admin(core)
    except IntegrityError:
        return  # another process of the API was first, and writes the file
    if made is not None:
        _write(path, made)
        logger.info("admin.made", email=made.email, credentials=str(path))
        return
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        await _restore(core, path)
    else:
        await _keep(core, path, text)


async def _make_admin(core: Core) -> Credentials | None:
    settings = core.settings
    async with core.db.connect() as connection:
        if (await connection.execute(select(UserRow.id).limit(1))).first():
            return None
    email = settings.admin_email or f"admin@{settings.base_domain}"
    password = settings.admin_password or passwords.generate()
    hashed = await passwords.make_hash(password)
    async with core.db.begin() as tx:
        if (await tx.connection.execute(select(UserRow.id).limit(1))).first():
            return None
        user = await create_user(tx, NewUser(email=email, role="admin"), hashed)
        key = await insert_key(tx, core.vault, user.id, _KEY_NAME, frozenset({"admin"}))
    return Credentials(url=settings.url, email=user.email, password=password, api_key=key.key or "")


async def _keep(core: Core, path: Path, text: bytes) -> None:
    """The file's own words stand; only the address follows the settings. A key that was deleted stays deleted."""
    try:
        found = msgspec.json.decode(text, type=Credentials)
    except msgspec.DecodeError as error:
        logger.warning("credentials.unreadable", path=str(path), error=str(error))
        return
    if found.url != core.settings.url:
        found.url = core.settings.url
        _write(path, found)
    async with core.db.connect() as connection:
        known = (await connection.execute(select(ApiKeyRow.id).where(ApiKeyRow.fingerprint == fingerprint(found.api_key)))).first()
    if known is None:
        logger.warning("credentials.key_deleted", path=str(path))


async def _restore(core: Core, path: Path) -> None:
    """A lost file: a new key for the first admin who can log in."""
    statement = select(UserRow.id, UserRow.email).where(UserRow.role == "admin", UserRow.disabled.is_(False)).order_by(UserRow.id).limit(1)
    async with core.db.begin() as tx:
        admin = (await tx.connection.execute(statement)).one_or_none()
        if admin is None:
            return
        key = await insert_key(tx, core.vault, admin.id, _KEY_NAME, frozenset({"admin"}))
    _write(path, Credentials(url=core.settings.url, email=admin.email, password=None, api_key=key.key or ""))
    logger.warning("credentials.restored", path=str(path), email=admin.email)


def _write(path: Path, credentials: Credentials) -> None:
    """All or nothing, and never readable by others."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(credentials), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
