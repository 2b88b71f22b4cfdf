"""How a worker says that something went wrong, and the failure codes that builder and runtime give.

`Rejected` is final. `Retry` comes back after a while. Anything else that is raised is a bug, and says so.
"""

import msgspec

from libs.common import bounds
from libs.common.messages.failure import Failure

_MOST_LINES = 50
_MOST_EVIDENCE = 64_000
_MOST_TEXT = 4_000


class DockupError(Exception):
    """The root of what we raise on purpose."""


class Rejected(DockupError):
    """The message can never succeed: it goes to the dead letter at once."""


class Retry(DockupError):
    """Not now. `after` is in seconds."""

    def __init__(self, message: str, *, after: float = 1.0) -> None:
        super().__init__(message)
        self.after = after


class FailureCode(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the catalogue: what a failure code means and what to do next. `retryable`: the same deploy may succeed later."""

    code: str
    title: str
    hint: str
    retryable: bool = False


_CODES = (
    FailureCode(
        code="image_not_found",
        title="The image does not exist",
        hint="Check the image's name and tag; a private image needs its registry under /registries.",
    ),
    FailureCode(
        code="image_invalid",
        title="The image cannot be used",
        hint="Use an image that was built for this machine's architecture.",
    ),
    FailureCode(
        code="image_not_kept",
        title="The image is not kept any more",
        hint="Roll back to a newer deployment, deploy another image, or upload it again; DOCKUP_KEEP_RELEASES says how many keep theirs.",
    ),
    FailureCode(
        code="upload_invalid",
        title="The upload is no image that can be taken",
        hint="Send the output of docker save for exactly one image: docker save NAME:TAG.",
    ),
    FailureCode(
        code="upload_too_large",
        title="The upload is too large",
        hint="Make the image smaller; DOCKUP_UPLOAD_MAX_MB bounds an upload, and what it unpacks to by twice as much.",
    ),
    FailureCode(
        code="upload_lost",
        title="The uploaded file is gone",
        hint="Upload the image again.",
        retryable=True,
    ),
    FailureCode(
        code="registry_auth_failed",
        title="The registry refused the credentials",
        hint="Add or correct the registry's username and password under /registries.",
    ),
    FailureCode(
        code="registry_unreachable",
        title="The registry did not answer",
        hint="Deploy again when the registry answers; check its address and this machine's network.",
        retryable=True,
    ),
    FailureCode(
        code="pull_failed",
        title="The image could not be pulled",
        hint="Read the evidence, mend what it names, and deploy again.",
        retryable=True,
    ),
    FailureCode(
        code="source_invalid",
        title="The repository's address cannot be used",
        hint="Give an https address of a repository, without a login in it.",
    ),
    FailureCode(
        code="repository_not_found",
        title="The repository does not exist",
        hint="Check git_repo_url; a private repository needs its git host connected under /git/connections.",
    ),
    FailureCode(
        code="git_auth_failed",
        title="The git host refused the login",
        hint="Connect the git host again, or give the token read access to this repository.",
    ),
    FailureCode(
        code="git_unreachable",
        title="The git host did not answer",
        hint="Deploy again when the host answers; check its name and this machine's network.",
        retryable=True,
    ),
    FailureCode(
        code="ref_not_found",
        title="The branch, tag or commit does not exist",
        hint="Check git_branch, or the ref that was asked for; a commit is named in full.",
    ),
    FailureCode(
        code="address_refused",
        title="The address may not be reached from here",
        hint="Use a public address over https, or have the operator add the host to DOCKUP_EGRESS_ALLOW.",
    ),
    FailureCode(
        code="repository_too_large",
        title="The repository is too large",
        hint="Take large files out of it; DOCKUP_SOURCE_MAX_MB and DOCKUP_SOURCE_MAX_FILES bound a commit.",
    ),
    FailureCode(
        code="clone_failed",
        title="The repository could not be fetched",
        hint="Read the evidence: it is what git said.",
        retryable=True,
    ),
    FailureCode(
        code="root_directory_not_found",
        title="The repository has no such folder",
        hint="Correct root_directory: it is relative to the repository's top.",
    ),
    FailureCode(
        code="dockerfile_not_found",
        title="The Dockerfile does not exist",
        hint="Correct dockerfile_path: it is relative to root_directory.",
    ),
    FailureCode(
        code="unsafe_source",
        title="The repository holds what may not be built",
        hint="Replace the link or file that the message names by an ordinary file within the repository.",
    ),
    FailureCode(
        code="nothing_detected",
        title="It is unknown how to build this",
        hint="Add a Dockerfile, or one of the files that the message names; root_directory says in which folder to look.",
    ),
    FailureCode(
        code="builder_missing",
        title="The program that builds is not on this machine",
        hint="Install what the message names on the machine of the builder, or use another builder.",
    ),
    FailureCode(
        code="base_image_not_found",
        title="A base image does not exist",
        hint="Check the name after FROM; a private one needs its registry under /registries.",
    ),
    FailureCode(
        code="build_out_of_memory",
        title="A step of the build was killed for using more memory than builds may",
        hint="Make the step use less memory, or raise DOCKUP_BUILD_MEMORY_MB.",
    ),
    FailureCode(
        code="build_failed",
        title="The image could not be made",
        hint="Read the evidence, mend what it names, and deploy again.",
    ),
    FailureCode(
        code="disk_full",
        title="The disk is full",
        hint="Free disk space on the server, then deploy again.",
        retryable=True,
    ),
    FailureCode(
        code="container_start_failed",
        title="The container could not be started",
        hint="Check the command: the engine's own words are in the evidence.",
    ),
    FailureCode(
        code="container_exited",
        title="The container exited before it was healthy",
        hint="Read the last log lines in the evidence; the process must stay in the foreground.",
    ),
    FailureCode(
        code="out_of_memory",
        title="The container was killed for using more memory than its limit",
        hint="Raise memory_limit or make the app use less, then deploy again.",
    ),
    FailureCode(
        code="release_command_failed",
        title="The release command did not succeed",
        hint="Read the last log lines in the evidence, mend what release_command runs, and deploy again.",
    ),
    FailureCode(
        code="command_failed",
        title="The command ended with another exit code than 0",
        hint="Read its log: GET /api/v1/apps/{app}/runs/{id}/logs.",
    ),
    FailureCode(
        code="command_not_found",
        title="The image has no such command",
        hint="Name a program that is in the image; the image's entry point comes before the command.",
    ),
    FailureCode(
        code="run_lost",
        title="The run's container was lost",
        hint="Look whether the command did its work, then run it again if not.",
        retryable=True,
    ),
    FailureCode(
        code="port_not_listening",
        title="Nothing listens on internal_port",
        hint="Set internal_port to the port that the app listens on, on 0.0.0.0 and not on 127.0.0.1.",
    ),
    FailureCode(
        code="health_check_failed",
        title="The health check did not succeed in time",
        hint="Check health_check.path and what the app answers there, or give it a longer start_period_seconds.",
    ),
    FailureCode(
        code="route_failed",
        title="The app did not answer through the proxy",
        hint="The app must speak HTTP on internal_port; read the evidence.",
        retryable=True,
    ),
    FailureCode(
        code="network_exhausted",
        title="No address is left in the project's network",
        hint="Lower the replicas or delete apps of this project; DOCKUP_NETWORK_POOL sets the pool.",
    ),
    FailureCode(
        code="timeout",
        title="The work took longer than its limit",
        hint="Deploy again; if it ends the same way, read the evidence for the slow step.",
        retryable=True,
    ),
    FailureCode(
        code="internal_error",
        title="Dockup itself failed",
        hint="Deploy again; report it with the request_id if it happens twice.",
        retryable=True,
    ),
)

FAILURES: dict[str, FailureCode] = {entry.code: entry for entry in _CODES}


def failure(
    phase: str,
    code: str,
    message: str,
    *,
    evidence: tuple[str, ...] = (),
    hint: str | None = None,
    data: dict[str, object] | None = None,
) -> Failure:
    """Make a `Failure` whose code is in the catalogue; `hint` and `data` say more than the catalogue can.

    Whatever an app wrote, it fits into a message of the bus: texts have at most 4,000 bytes, the evidence 50 lines and 64,000.
    """
    return Failure(
        phase=phase,
        code=code,
        message=bounds.cut(message, _MOST_TEXT),
        evidence=bounds.newest(evidence[-_MOST_LINES:], each=_MOST_TEXT, most=_MOST_EVIDENCE),
        hint=bounds.cut(hint or FAILURES[code].hint, _MOST_TEXT),
        data=data or {},
    )
