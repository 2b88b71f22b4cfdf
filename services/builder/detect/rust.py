"""Rust: one program by Cargo."""

import re
from typing import Any

from services.builder.detect.plan import PORT, USER, Bases, Plan, Tree, array

_OURS = "1"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def detect(source: Tree, bases: Bases) -> Plan | None:
    if not source.has("Cargo.toml"):
        return None
    name = _program(source.toml("Cargo.toml"))
    locked = " --locked" if source.has("Cargo.lock") else ""
    caches = "RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target"
    lines = [
        f"FROM {bases.image('rust', _OURS)} AS build",
        "WORKDIR /src",
        "COPY . .",
        # The target folder is a cache, which is not there in the next step.
        f"{caches} cargo build --release{locked} && mkdir -p /out && cp target/release/{name} /out/app",
        "",
        f"FROM {bases.image('debian')}",
        f"ENV PORT={PORT}",
        "WORKDIR /app",
        "COPY --from=build /out/app /usr/local/bin/app",
        f"USER {USER}",
        f"EXPOSE {PORT}",
        f"CMD {array('/usr/local/bin/app')}",
    ]
    return Plan(kind="rust", reason=f"Cargo.toml is there; {name} is its program", dockerfile="\n".join(lines) + "\n")


def _program(cargo: dict[str, Any]) -> str:
    bins = cargo.get("bin")
    named = bins[0].get("name") if isinstance(bins, list) and bins and isinstance(bins[0], dict) else None
    package = cargo.get("package")
    name = str(named or (package.get("name") if isinstance(package, dict) else "") or "")
    return name if _NAME.fullmatch(name) else "app"
