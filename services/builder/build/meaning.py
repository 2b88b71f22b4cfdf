"""What it means that a build ended without an image: a code of the catalogue, and a hint for the usual causes. Pure."""

import re
from collections.abc import Sequence

from services.builder.build.progress import Progress, Step
from services.builder.failed import Failed, because

_KILLED = 137
_MOST_LINE = 1_000
"""Characters of a line in which something is looked for: a step may print lines that would take minutes."""
_NO_SPACE = re.compile(r"no space left on device|ENOSPC|Disk quota exceeded", re.IGNORECASE)
_MEMORY = re.compile(
    r"signal: killed|cannot allocate memory|out of memory: killed|^Killed$|fatal error: runtime: out of memory",
    re.IGNORECASE | re.MULTILINE,
)
_UNREACHABLE = re.compile(
    r"no such host|i/o timeout|connection refused|connection reset|TLS handshake|deadline exceeded|EOF$", re.IGNORECASE
)
_PARSE = re.compile(r"dockerfile parse error|unknown instruction|Dockerfile.*(?:empty|cannot be)|no build stage", re.IGNORECASE)
_HINTS: tuple[tuple[str, str], ...] = (
    (
        r"npm ci.*can only install|npm error code EUSAGE|package-lock\.json.*not found|ERR_PNPM_NO_LOCKFILE|frozen-lockfile",
        "The lock file is missing or does not fit package.json: run the package manager's install and commit the lock file.",
    ),
    (
        r"(?:\.lock|go\.sum)\b.*(?:not found|missing|needs to be updated|out of date|no such)|missing go\.sum entry",
        "The lock file is missing or out of date: make it anew and commit it.",
    ),
    (
        r"E40[134]\b|401 Unauthorized|403 Forbidden|could not read Username|\(publickey\)|prompts disabled|Authentication failed",
        "A private dependency wants a login: give its token as a build secret and mount it in that step.",
    ),
    (
        r"Temporary failure in name resolution|EAI_AGAIN|ENOTFOUND|Could not resolve host|no such host|Network is unreachable|bad address",
        "The step did not reach the network; check this machine's name resolution, then deploy again.",
    ),
    (
        r"heap out of memory|MemoryError",
        "The program's own memory limit was reached: raise it, such as by NODE_OPTIONS=--max-old-space-size=2048.",
    ),
    (
        r"failed to (?:compute cache key|calculate checksum)|COPY failed|no source files were specified",
        "A file that the Dockerfile copies is not there: check root_directory, the path, and .dockerignore.",
    ),
    (r"exec format error", "The base image is for another processor than this machine's."),
    (
        r"[Pp]ermission denied",
        "A file is not executable or belongs to another user: `git update-index --chmod=+x FILE`, or run it by its interpreter.",
    ),
    (
        r"not found|command not found|No such file",
        "A program or file of that step is not in the image: install or copy it in an earlier step.",
    ),
)


def meaning(progress: Progress, last: Sequence[str]) -> Failed:
    """The failure of a build: `last` are the last lines that its failing step wrote, masked; the texts of `progress` must be masked too."""
    step = progress.failed
    told = "\n".join(line[:_MOST_LINE] for line in (*last, *progress.summary[-20:], step.error if step else ""))
    evidence = (*last, *([step.error] if step and step.error else progress.summary[-10:]))
    if _NO_SPACE.search(told):
        return because("disk_full", "The disk became full during the build.", evidence=evidence, data=_data(step))
    if step and step.image and step.exit_code is None:
        name = step.image.removeprefix("docker.io/").removeprefix("library/")
        if _UNREACHABLE.search(step.error):
            return because("registry_unreachable", f"{name}: its registry did not answer.", evidence=evidence, data=_data(step))
        return because("base_image_not_found", f"{name} is not there, or hidden from us.", evidence=evidence, data=_data(step))
    if step and (step.exit_code == _KILLED or (step.exit_code and _MEMORY.search("\n".join(line[:_MOST_LINE] for line in last[-5:])))):
        return because("build_out_of_memory", f"{step.name} was killed for using too much memory.", evidence=evidence, data=_data(step))
    text = f"{step.name} ended with {step.exit_code}." if step and step.exit_code is not None else "The image could not be built."
    if _PARSE.search(told) and (step is None or step.exit_code is None):
        text = "The Dockerfile cannot be read."
    return because("build_failed", text, evidence=evidence, hint=hint(told), data=_data(step))


def _data(step: Step | None) -> dict[str, object]:
    if step is None:
        return {}
    return {"step": step.name, "step_number": step.number, "exit_code": step.exit_code}


def hint(told: str) -> str | None:
    """What usually helps where a build said that; None where nothing is known."""
    return next((text for pattern, text in _HINTS if re.search(pattern, told)), None)
