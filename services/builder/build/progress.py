"""What `docker build --progress=plain` prints, line by line, as steps and their output. Pure."""

import re

import msgspec

_LINE = re.compile(r"#(?P<number>\d+) (?P<rest>.*)")
_OUTPUT = re.compile(r"(?P<at>\d+\.\d+) ?(?P<text>.*)", re.DOTALL)
_GLUED = re.compile(r"(?P<output>#(?P<number>\d+) \d+\.\d+ .*?)#(?P=number) (?P<word>DONE \d+\.\d+s|ERROR: .*|CANCELED)", re.DOTALL)
_DONE = re.compile(r"DONE (?P<seconds>\d+\.\d+)s")
_NOISE = re.compile(r"sha256:[0-9a-f]+( .*)?|\.\.\.|extracting .*|transferring .*|resolve .*|exporting .*|writing .*|naming .*")
_EXIT = re.compile(r"exit code: (?P<code>\d+)")
_IMAGE = re.compile(r"(?:\[internal\] load metadata for|resolve image config for|(?:\[[^\]]*\] )?FROM) (?:docker-image://)?(?P<image>\S+)")
_ADDED = re.compile(r"(?:\[[^\]]*\] ADD )|(?:https?|git)://", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:https?|git)://\S+", re.IGNORECASE)
_MOST_STEPS = 10_000
_PLACE = re.compile(r"\[(?:[^\]]*? )?(?P<number>\d+)/(?P<count>\d+)\]")


class Step(msgspec.Struct, kw_only=True):
    """A step of the build.

    `place` is (number, of how many) within its stage for those that the Dockerfile has; `image` is the base image that it asks for;
    `exit_code` where a program of it failed.
    """

    number: int
    name: str
    place: tuple[int, int] | None = None
    image: str = ""
    exit_code: int | None = None
    error: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line to show. `stream` is as in `BuildLine`; `raw` says that a step wrote it."""

    step: int
    message: str
    raw: bool = False
    duration_ms: float | None = None


class Progress:
    """Takes the lines in their order. `images` are the base images that the build asked for, `fetched` the addresses that it adds.

    `pinned` are those that it asked for by digest, whole; `failed` is the step that ended it.
    """

    def __init__(self) -> None:
        self.steps: dict[int, Step] = {}
        self.images: list[str] = []
        self.pinned: list[str] = []
        self.fetched: list[str] = []
        self.failed: Step | None = None
        self.summary: list[str] = []
        self.now: Step | None = None

    def take(self, text: str) -> list[Line]:
        """The lines to show; none for one that says nothing to a person."""
        # What a step wrote without an end of line has the next word about the step right behind it.
        glued = _GLUED.fullmatch(text)
        each = [glued["output"], f"#{glued['number']} {glued['word']}"] if glued else [text]
        return [line for part in each if (line := self._take(part))]

    def _take(self, text: str) -> Line | None:
        found = _LINE.fullmatch(text)
        if found is None:
            if text.strip():
                self.summary = [*self.summary[-99:], text]
            return None
        number, rest = int(found["number"]), found["rest"]
        step = self.steps.get(number)
        if step is None:
            return self._begin(number, rest) if len(self.steps) < _MOST_STEPS else None
        return self._go_on(step, rest)

    def _begin(self, number: int, rest: str) -> Line | None:
        place = _PLACE.match(rest)
        step = Step(number=number, name=rest, place=(int(place["number"]), int(place["count"])) if place else None)
        self.steps[number] = step
        if image := _IMAGE.fullmatch(rest):
            step.image = image["image"].partition("@")[0]
            self.images.append(step.image)
            if "@" in image["image"] and rest.startswith("[internal]"):
                self.pinned.append(image["image"])
        elif _ADDED.match(rest):
            self.fetched += _ADDRESS.findall(rest)
        if step.place:
            self.now = step
        return None if rest.startswith("[internal]") else Line(step=number, message=rest)

    def _go_on(self, step: Step, rest: str) -> Line | None:
        if output := _OUTPUT.fullmatch(rest):
            return Line(step=step.number, message=output["text"], raw=True)
        if done := _DONE.fullmatch(rest):
            return self._said(step, "done", float(done["seconds"]) * 1000)
        if rest == "CACHED":
            return self._said(step, "cached", 0.0)
        if rest.startswith("ERROR"):
            return self._fail(step, rest.partition(" ")[2])
        if rest.startswith("CANCELED") or _NOISE.fullmatch(rest):
            return None
        # A newer BuildKit repeats the name of a step that goes on.
        return None if rest == step.name else Line(step=step.number, message=rest)

    def _said(self, step: Step, text: str, took: float) -> Line | None:
        return None if step.name.startswith("[internal]") else Line(step=step.number, message=text, duration_ms=took)

    def _fail(self, step: Step, text: str) -> Line:
        step.error = text
        code = _EXIT.search(text)
        step.exit_code = int(code["code"]) if code else None
        self.failed = self.failed or step
        return Line(step=step.number, message=f"failed: {text}")
