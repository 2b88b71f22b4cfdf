"""A site of files that are served as they are."""

from services.builder.detect.plan import PORT, Bases, Plan, Tree

_FOLDERS = ("", "public", "dist", "site", "docs")


def detect(source: Tree, bases: Bases) -> Plan | None:
    for folder in _FOLDERS:
        name = f"{folder}/index.html" if folder else "index.html"
        if source.has(name):
            lines = [f"FROM {bases.image('static')}", f"COPY {folder or '.'} /usr/share/nginx/html", f"EXPOSE {PORT}"]
            return Plan(kind="static", reason=f"{name} is there and no language is", dockerfile="\n".join(lines) + "\n")
    return None
