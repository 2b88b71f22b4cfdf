"""What the engine's refusals mean to us, and the one function that reads them."""

import docker.errors
import requests.exceptions

from libs.common.errors import DockupError, Retry


class EngineAway(Retry):
    """The engine does not answer. It may have done what it was asked all the same: look before doing it again."""


class EngineError(DockupError):
    """The engine answered and refused; the message is its own."""


class NotFound(EngineError):
    """No such container, network or image."""


class ImageMissing(NotFound):
    """The image is not on this engine."""


class Conflict(EngineError):
    """The name is taken, or the object is in use."""


class SubnetTaken(EngineError):
    """The subnet overlaps with a network of the engine or of the host."""


class StartFailed(EngineError):
    """The container exists and did not start: a command that is not there, an address that is taken."""


class Refused(EngineError):
    """Any other refusal."""


class PullError(EngineError):
    """A pull ended without an image; the message is the engine's or the registry's. Its subclasses say which of the usual ends it was."""


class ImageNotFound(PullError):
    """The registry has no such name or tag, or hides it from us."""


class ImageInvalid(PullError):
    """There is an image of that name, but none for this machine."""


class RegistryAuth(PullError):
    """The registry wants credentials, or refused those that it got."""


class RegistryUnreachable(PullError):
    """The registry did not answer, or not as a registry does."""


class DiskFull(PullError):
    """No space is left where the engine keeps its images."""


class PullFailed(PullError):
    """Any other end."""


_NOT_FOUND, _CONFLICT = 404, 409


def translate(error: Exception) -> Exception:
    """Return the error of ours that `error`, raised by docker-py or below it, stands for."""
    if isinstance(error, docker.errors.APIError):
        return _from_answer(error)
    if isinstance(error, requests.exceptions.RequestException | docker.errors.DockerException | OSError):
        return EngineAway(f"the Docker Engine does not answer: {error}")
    return error


def _from_answer(error: docker.errors.APIError) -> EngineError:
    text = (error.explanation or str(error)).strip()
    if isinstance(error, docker.errors.ImageNotFound):
        return ImageMissing(text)
    if error.status_code == _NOT_FOUND:
        return NotFound(text)
    if error.status_code == _CONFLICT:
        return Conflict(text)
    if "overlaps" in text.lower():
        return SubnetTaken(text)
    return Refused(text)
