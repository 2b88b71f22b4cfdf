"""One order at an ACME authority, from the account to the certificate. It blocks: run it in a thread."""

import contextlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import msgspec
import requests
import structlog
from acme import challenges, client, errors, messages
from cryptography.hazmat.primitives import serialization
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from libs.common.errors import DockupError
from libs.common.version import VERSION
from services.router.acme import leaf
from services.router.acme.zone import Zone
from services.router.files import kept

Publish = Callable[[str, str], None]
"""Takes a token and its key authorization; returns when the proxy answers with it."""

_ORDER_SECONDS = 90
_CALL_SECONDS = 20
_LONGEST_ERROR = 500
_LONGEST_WISH = timedelta(days=30)

logger = structlog.get_logger()


class OrderFailed(DockupError):
    """There is no certificate; the message says why, in the authority's words. `retry_after` is what it asked for."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Where certificates are asked for, and as whom. `ca_file` is whom to trust for `directory`; empty: the system's authorities."""

    directory: str
    email: str
    key_file: Path
    ca_file: str = ""


class Client:
    """Orders may run side by side, each in a thread of its own. The account is made at the first."""

    def __init__(self, account: Account, zone: Zone | None = None) -> None:
        self._account = account
        self._zone = zone
        self._lock = threading.Lock()
        self._known: tuple[messages.Directory, messages.RegistrationResource] | None = None

    def order(self, names: tuple[str, ...], publish: Publish) -> str:
        """Return key and chain as one PEM; `OrderFailed` otherwise."""
        net = _Net(self._key(), self._account.ca_file)
        try:
            return self._order(net, names, publish)
        except messages.Error as error:
            self._known = None  # the account may be gone
            raise OrderFailed(_words(error), net.retry_after) from error
        except errors.ValidationError as error:
            raise OrderFailed(_why_invalid(error), net.retry_after) from error
        except errors.IssuanceError as error:
            raise OrderFailed(_words(error.error), net.retry_after) from error
        except (errors.Error, requests.RequestException, JoseError, ValueError) as error:
            raise OrderFailed(
                f"The authority could not be used: {error or type(error).__name__}"[:_LONGEST_ERROR], net.retry_after
            ) from error
        finally:
            net.session.close()

    def _order(self, net: "_Net", names: tuple[str, ...], publish: Publish) -> str:
        acme = self._client(net)
        key = leaf.new_key()
        order = acme.new_order(leaf.request_for(names, key))
        with contextlib.ExitStack() as records:
            for authorization in order.authorizations:
                if authorization.body.status == messages.STATUS_VALID:
                    continue
                if authorization.body.wildcard:
                    self._prove(acme, net, authorization, records)
                else:
                    _answer(acme, net, authorization, publish)
            # The library compares with a naive clock.
            deadline = datetime.now() + timedelta(seconds=_ORDER_SECONDS)  # noqa: DTZ005 - see above
            done = acme.poll_and_finalize(order, deadline)
        return leaf.joined(done.fullchain_pem, key.decode())

    def _prove(
        self, acme: client.ClientV2, net: "_Net", authorization: messages.AuthorizationResource, records: contextlib.ExitStack
    ) -> None:
        """By DNS-01: the only challenge for a wildcard."""
        challenge = _find(authorization, challenges.DNS01)
        response, validation = challenge.response_and_validation(net.key)
        if self._zone is None:
            raise OrderFailed("A wildcard needs a DNS host that is set up.")
        try:
            records.enter_context(
                self._zone.record(challenge.chall.validation_domain_name(authorization.body.identifier.value), validation)
            )
        except Exception as error:  # the client of a DNS host raises what it likes
            raise OrderFailed(f"The DNS host did not take the record: {self._zone.words(error)}"[:_LONGEST_ERROR]) from error
        acme.answer_challenge(challenge, response)

    def _client(self, net: "_Net") -> client.ClientV2:
        with self._lock:
            if self._known is None:
                directory = client.ClientV2.get_directory(self._account.directory, net)
                self._known = directory, self._register(client.ClientV2(directory, net))
            directory, registration = self._known
        net.account = registration
        return client.ClientV2(directory, net)

    def _register(self, acme: client.ClientV2) -> messages.RegistrationResource:
        wanted: Any = {"email": self._account.email} if self._account.email else {}
        try:
            return acme.new_account(messages.NewRegistration.from_data(**wanted, terms_of_service_agreed=True))
        except errors.ConflictError as known:
            return messages.RegistrationResource(uri=known.location, body=messages.Registration())

    def _key(self) -> JWKEC:
        """The account's key: made once, whoever of those side by side is first, and readable by the owner alone."""
        with self._lock:
            file = self._account.key_file
            try:
                return _loaded(file)
            except ValueError as error:
                # An account costs nothing; without a key there would never be a certificate again.
                logger.error("acme.account_key_broken", error=str(error))  # noqa: TRY400 - no bug of ours
                file.replace(file.with_name(f"{file.name}.broken"))
                return _loaded(file)


def _loaded(file: Path) -> JWKEC:
    text = kept(file, leaf.new_key().decode().strip())
    return JWKEC(key=serialization.load_pem_private_key(text.encode(), password=None))


class _Net(client.ClientNetwork):
    """Remembers how long the authority asked to be left alone: the library's errors do not tell."""

    def __init__(self, key: JWKEC, ca_file: str) -> None:
        super().__init__(key, alg=ES256, user_agent=f"dockup/{VERSION}", timeout=_CALL_SECONDS)
        trusted: Any = ca_file or True  # requests takes a path as well
        self.verify_ssl = trusted
        self.retry_after: timedelta | None = None

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401 - as the library has it
        response = super()._send_request(method, url, *args, **kwargs)
        if not response.ok:
            self.retry_after = _retry_after(response.headers.get("Retry-After", ""))
        return response


def _answer(acme: client.ClientV2, net: _Net, authorization: messages.AuthorizationResource, publish: Publish) -> None:
    challenge = _find(authorization, challenges.HTTP01)
    response, validation = challenge.response_and_validation(net.key)
    publish(challenge.chall.encode("token"), validation)
    acme.answer_challenge(challenge, response)


def _find(authorization: messages.AuthorizationResource, kind: type[challenges.KeyAuthorizationChallenge]) -> messages.ChallengeBody:
    for challenge in authorization.body.challenges:
        if isinstance(challenge.chall, kind):
            return challenge
    raise OrderFailed(f"The authority offers no {kind.typ} challenge for this name.")


def _words(error: messages.Error) -> str:
    found = [error.detail or error.title or error.typ or "no reason given", *(sub.detail for sub in error.subproblems or () if sub.detail)]
    kind = f"{error.code}: " if error.code else ""
    return f"{kind}{'; '.join(dict.fromkeys(found))}"[:_LONGEST_ERROR]


def _why_invalid(error: errors.ValidationError) -> str:
    found = [challenge.error for authorization in error.failed_authzrs for challenge in authorization.body.challenges if challenge.error]
    return _words(found[0]) if found else "The authority could not validate the name."


def _retry_after(text: str) -> timedelta | None:
    """Seconds, or a date; a month at most."""
    try:
        wish = timedelta(seconds=int(text)) if text.isdigit() else parsedate_to_datetime(text) - datetime.now(UTC)
    except OverflowError:
        return _LONGEST_WISH
    except (TypeError, ValueError):
        return None
    return min(max(wish, timedelta()), _LONGEST_WISH)
