"""What the routes of coding sessions take and give."""

import re
import secrets
from typing import Annotated

import msgspec
from litestar.params import Parameter

from libs.common.messages.codex import CodexRequest
from services.api.http.problems import invalid
from services.api.http.strict import Body
from services.api.terminals.schemas import flag

LONGEST_PROMPT = 8000
_ID_BYTES = 5
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")
Prompt = Annotated[
    str | None,
    Parameter(
        max_length=LONGEST_PROMPT,
        description="Work on this without asking, and end. Left out: a terminal to talk in, or without one the input is the prompt.",
    ),
]
Model = Annotated[str | None, Parameter(pattern=_MODEL.pattern, description="Which model; left out, the tool's own choice.")]
Preview = Annotated[bool, Parameter(description="Deploy each push of the session as a preview app, with the app's variables.")]


class CodexKey(msgspec.Struct, frozen=True, kw_only=True):
    """Your key for the model's API, masked, null while there is none; `ends_with` are its last four characters."""

    key: str | None = None
    ends_with: str | None = None
    updated_at: str | None = None


class CodexKeyBody(Body, frozen=True, kw_only=True):
    key: Annotated[
        str, msgspec.Meta(min_length=20, max_length=500, pattern=r"^[!-~•]+$", description="as the provider gave it, such as sk-…")
    ]


class PushedFrame(msgspec.Struct, frozen=True, kw_only=True, tag="pushed", omit_defaults=True):
    """From the server: the git host took a push. `app`, `url` and `deployment_id` are its preview's; `detail` says why there is none."""

    branch: str
    commit: str
    app: str | None = None
    url: str | None = None
    deployment_id: str | None = None
    detail: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a client wants of a session."""

    prompt: str | None
    model: str | None
    tty: bool
    preview: bool

    @property
    def talks(self) -> bool:
        """Whether somebody sits at a terminal."""
        return self.tty and self.prompt is None

    def request(self, image: str, key: str) -> CodexRequest:
        return CodexRequest(id=secrets.token_hex(_ID_BYTES), image=image, key=key, prompt=self.prompt, model=self.model, tty=self.tty)


def asked(prompt: str | None, model: str | None, tty: str | None, preview: str | None) -> Asked:
    """`400 validation_failed`."""
    if prompt is not None and (not prompt.strip() or len(prompt) > LONGEST_PROMPT or "\0" in prompt):
        raise invalid("/prompt", f"takes 1 to {LONGEST_PROMPT} characters, none of them NUL")
    if model is not None and not _MODEL.fullmatch(model):
        raise invalid("/model", "takes the name of a model")
    return Asked(prompt=prompt, model=model, tty=flag(tty, "/tty"), preview=preview is not None and flag(preview, "/preview"))
