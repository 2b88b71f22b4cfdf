"""Why a deployment or a run failed, in a form that a program can act on."""

import msgspec


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """`failure` of the deployment in the HTTP contract.

    `phase` is `building` or `deploying`, of a run `run`; `code` is in the catalogue (`libs/common/errors.py`); `evidence` holds the last
    lines of what was seen, at most 50; `hint` says in one sentence what to do next; `data` holds numbers that belong to the code, such as
    `exit_code` or `listening`.
    """

    phase: str
    code: str
    message: str
    evidence: tuple[str, ...] = ()
    hint: str = ""
    data: dict[str, object] = {}
