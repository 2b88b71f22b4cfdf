"""A Procfile and nothing that is known: its command in a plain Debian."""

from services.builder.detect.plan import PORT, USER, Bases, Plan, Tree, command


def detect(source: Tree, bases: Bases) -> Plan | None:
    if not source.web:
        return None
    lines = [
        f"FROM {bases.image('debian')}",
        f"ENV PORT={PORT}",
        "WORKDIR /app",
        f"COPY --chown={USER} . .",
        f"USER {USER}",
        f"EXPOSE {PORT}",
        command(source.web),
    ]
    return Plan(kind="procfile", reason="the Procfile says how it starts, and no language is known", dockerfile="\n".join(lines) + "\n")
