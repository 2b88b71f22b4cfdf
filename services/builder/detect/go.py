"""Go: one static program."""

from services.builder.detect.plan import PORT, Bases, Plan, Tree, array, version

_OURS = "1.24"


def detect(source: Tree, bases: Bases) -> Plan | None:
    if not source.has("go.mod"):
        return None
    asked = version(source.text("go.mod"), r"(?m)^go (1\.\d+)", _OURS)
    package = _package(source)
    sums = "COPY go.mod go.sum ./" if source.has("go.sum") else "COPY go.mod ./"
    cache = "RUN --mount=type=cache,target=/go/pkg/mod"
    lines = [
        f"FROM {bases.image('go', asked)} AS build",
        "WORKDIR /src",
        "ENV CGO_ENABLED=0",
        sums,
        f"{cache} go mod download",
        "COPY . .",
        f"{cache} --mount=type=cache,target=/root/.cache/go-build go build -trimpath -ldflags='-s -w' -o /out/app {package}",
        "",
        f"FROM {bases.image('binary')}",
        f"ENV PORT={PORT}",
        "WORKDIR /app",
        "COPY --from=build /src /app",
        "COPY --from=build /out/app /usr/local/bin/app",
        "USER 10001:10001",
        f"EXPOSE {PORT}",
        f"CMD {array('/usr/local/bin/app')}",
    ]
    return Plan(kind="go", reason=f"go.mod is there; {package} is its program", dockerfile="\n".join(lines) + "\n")


def _package(source: Tree) -> str:
    """Where `func main` is: at the top, or the only folder of `cmd`."""
    commands = source.folder / "cmd"
    if not source.has("main.go") and commands.is_dir():
        found = sorted(path.name for path in commands.iterdir() if path.is_dir() and path.name.replace("-", "").replace("_", "").isalnum())
        if found:
            return f"./cmd/{found[0]}"
    return "."
