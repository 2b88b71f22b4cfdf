"""What ends a verb that asks the API, and the exit status that says so. docs/cli.md lists them; they stay as they are."""

from typing import Any

FAILED, USAGE, REFUSED, UNREACHABLE = 1, 2, 3, 4
_OUTCOMES = frozenset({"deployment_failed", "deployment_superseded", "deployment_cancelled"})
"""Codes of answers that are no refusal: what was asked for was begun, and did not come to a good end."""

Json = dict[str, Any]


class VerbError(Exception):
    """The problem is shaped as the API's own; `exit_status` is what the verb ends with."""

    exit_status = FAILED

    def __init__(self, problem: Json) -> None:
        super().__init__(problem.get("detail") or problem.get("title"))
        self.problem = problem


class Failed(VerbError):
    """What was asked for was done, and did not come to a good end. `problem` may have more members than these."""

    def __init__(self, title: str, detail: str = "", hint: str = "", *, code: str = "failed", **members: object) -> None:
        super().__init__({"title": title, "detail": detail, "code": code, "hint": hint, **members})


class Refused(VerbError):
    """The API said no. `status` is HTTP's."""

    def __init__(self, status: int, problem: Json) -> None:
        super().__init__(problem)
        self.status = status
        self.exit_status = FAILED if problem.get("code") in _OUTCOMES else REFUSED


def missing(title: str, hint: str) -> Refused:
    """As the API answers for what is not there, where its list was asked instead."""
    return Refused(404, {"title": title, "detail": "", "code": "not_found", "hint": hint})


class Unreachable(VerbError):
    """Nobody answered, or it is not known whom to ask. `status` is HTTP's where a proxy answered."""

    exit_status = UNREACHABLE

    def __init__(self, title: str, detail: str = "", hint: str = "", *, status: int = 0) -> None:
        super().__init__({"title": title, "detail": detail, "code": "unreachable", "hint": hint})
        self.status = status
