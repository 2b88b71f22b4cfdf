"""Node: npm, pnpm or yarn; a server, or a site that is built to files."""

from typing import Any

from services.builder.detect.plan import PORT, USER, Bases, Plan, Tree, array, command, version

_OURS = "22"
_FOLDERS = {
    "vite": "dist",
    "astro": "dist",
    "react-scripts": "build",
    "@vue/cli-service": "dist",
    "parcel": "dist",
    "@11ty/eleventy": "_site",
}
"""Tools that build a site to files, and the folder that they write."""


def detect(source: Tree, bases: Bases) -> Plan | None:
    if not source.has("package.json"):
        return None
    package = source.json("package.json")
    scripts = _table(package, "scripts")
    tool = next((name for name in _FOLDERS if name in {**_table(package, "dependencies"), **_table(package, "devDependencies")}), "")
    entry = (
        str(package.get("main") or "") if source.has(str(package.get("main") or "")) else source.first("server.js", "index.js", "app.js")
    )
    base = bases.image("node", _version(source, package))
    build = [
        f"FROM {base} AS build",
        "WORKDIR /app",
        *_install(source),
        "COPY . .",
        *([f"RUN {_tool(source)} run build"] if "build" in scripts else []),
    ]
    if tool and "build" in scripts and "start" not in scripts and not source.web:
        lines = [
            *build,
            "",
            f"FROM {bases.image('static')}",
            f"COPY --from=build /app/{_FOLDERS[tool]} /usr/share/nginx/html",
            f"EXPOSE {PORT}",
        ]
        return Plan(kind="node", reason=f"package.json is there; {tool} builds it to files", dockerfile="\n".join(lines) + "\n")
    start, why = _start(source, scripts, entry)
    lines = [
        *build,
        "",
        f"FROM {base}",
        f"ENV NODE_ENV=production PORT={PORT}",
        "WORKDIR /app",
        f"COPY --from=build --chown={USER} /app /app",
        f"USER {USER}",
        f"EXPOSE {PORT}",
        start,
    ]
    return Plan(kind="node", reason=f"package.json is there; {why}", dockerfile="\n".join(lines) + "\n")


def _table(package: dict[str, Any], name: str) -> dict[str, Any]:
    found = package.get(name)
    return found if isinstance(found, dict) else {}


def _tool(source: Tree) -> str:
    return "pnpm" if source.has("pnpm-lock.yaml") else "yarn" if source.has("yarn.lock") else "npm"


def _install(source: Tree) -> list[str]:
    """What depends on the lock file alone comes first, so that it is made again only when that changes."""
    if source.has("pnpm-lock.yaml"):
        return [
            "RUN corepack enable",
            "COPY package.json pnpm-lock.yaml ./",
            "RUN --mount=type=cache,target=/root/.local/share/pnpm/store pnpm install --frozen-lockfile",
        ]
    if source.has("yarn.lock"):
        return [
            "RUN corepack enable",
            "COPY package.json yarn.lock ./",
            "RUN --mount=type=cache,target=/usr/local/share/.cache yarn install --frozen-lockfile",
        ]
    npm = "ci" if source.first("package-lock.json", "npm-shrinkwrap.json") else "install"
    return ["COPY package*.json ./", f"RUN --mount=type=cache,target=/root/.npm npm {npm}"]


def _start(source: Tree, scripts: dict[str, Any], entry: str) -> tuple[str, str]:
    if source.web:
        return command(source.web), "the Procfile says how it starts"
    if "start" in scripts:
        return f"CMD {array(_tool(source), 'run', 'start')}", "its start script says how it starts"
    return f"CMD {array('node', entry or 'index.js')}", f"it starts by {entry or 'index.js'}"


def _version(source: Tree, package: dict[str, Any]) -> str:
    engines = str(_table(package, "engines").get("node", ""))
    asked = f"{source.text('.nvmrc')}\n{source.text('.node-version')}\n{engines}"
    return version(asked, r"(?m)^\s*[v^~>=]*\s*(\d{2})\b", _OURS)
