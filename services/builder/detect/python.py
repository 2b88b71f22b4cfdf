"""Python: pip, uv, Poetry or Pipenv; Django, FastAPI, Flask or a script."""

import re

from services.builder.detect.plan import PORT, USER, Bases, Plan, Tree, array, command, version

_OURS = "3.13"
_SCRIPTS = ("main.py", "app.py", "server.py", "run.py")
_PIP_CACHE = "RUN --mount=type=cache,target=/root/.cache/pip"
_SIGNS = ("uv.lock", "poetry.lock", "Pipfile", "requirements.txt", "pyproject.toml", "setup.py")


def detect(source: Tree, bases: Bases) -> Plan | None:
    sign = source.first(*_SIGNS) or source.first("manage.py")
    script = source.first(*_SCRIPTS)
    if not sign and (not script or source.has("package.json")):
        return None
    start, why = _start(source)
    base = bases.image("python", _version(source))
    lines = [
        f"FROM {base} AS build",
        "WORKDIR /app",
        "ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1",
        "RUN python -m venv /venv",
        "ENV PATH=/venv/bin:$PATH VIRTUAL_ENV=/venv",
        *_install(source, sign),
        "",
        f"FROM {base}",
        f"ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT={PORT}",
        "WORKDIR /app",
        "COPY --from=build /venv /venv",
        f"COPY --chown={USER} . .",
        f"USER {USER}",
        f"EXPOSE {PORT}",
        start,
    ]
    return Plan(kind="python", reason=f"{sign or script} is there; {why}", dockerfile="\n".join(lines) + "\n")


def _install(source: Tree, sign: str) -> list[str]:
    """What depends on the lock file alone comes first, so that it is made again only when that changes."""
    extra = ["RUN pip install --no-cache-dir gunicorn"] if _needs_gunicorn(source) else []
    if sign == "uv.lock":
        cache = "RUN --mount=type=cache,target=/root/.cache/uv"
        steps = [
            f"{cache} pip install uv",
            "COPY pyproject.toml uv.lock ./",
            f"{cache} uv sync --active --frozen --no-dev --no-install-project",
        ]
    elif sign == "poetry.lock":
        steps = [
            f"{_PIP_CACHE} pip install poetry",
            "COPY pyproject.toml poetry.lock ./",
            f"{_PIP_CACHE} poetry install --only main --no-root",
        ]
    elif sign == "Pipfile":
        steps = [f"{_PIP_CACHE} pip install pipenv", "COPY Pipfile* ./", f"{_PIP_CACHE} pipenv install --deploy"]
    elif sign == "requirements.txt":
        steps = ["COPY requirements.txt ./", f"{_PIP_CACHE} pip install -r requirements.txt"]
    else:
        steps = ["COPY . .", f"{_PIP_CACHE} pip install ."] if sign in {"pyproject.toml", "setup.py"} else []
    return [*steps, *extra]


def _start(source: Tree) -> tuple[str, str]:
    """The last line, and why it is that one."""
    if source.web:
        return command(source.web), "the Procfile says how it starts"
    needs = _needs(source)
    script = source.first(*_SCRIPTS)
    module = script.removesuffix(".py")
    if source.has("manage.py"):
        found = re.search(r"DJANGO_SETTINGS_MODULE[\"'],\s*[\"']([\w.]+)\.\w+[\"']", source.text("manage.py"))
        return command(f"gunicorn --bind 0.0.0.0:$PORT {found[1] if found else 'config'}.wsgi"), "manage.py makes it Django"
    if script and re.search(r"\b(fastapi|starlette|litestar|uvicorn)\b", needs):
        return command(f"uvicorn --host 0.0.0.0 --port $PORT {module}:app"), f"{script} holds an ASGI app"
    if script and re.search(r"\bflask\b", needs):
        return command(f"gunicorn --bind 0.0.0.0:$PORT {module}:app"), f"{script} holds a Flask app"
    return f"CMD {array('python', script or 'main.py')}", f"it starts by {script or 'main.py'}"


def _needs(source: Tree) -> str:
    return "\n".join(source.text(name).lower() for name in ("requirements.txt", "pyproject.toml", "Pipfile"))


def _needs_gunicorn(source: Tree) -> bool:
    start, _why = _start(source)
    return "exec gunicorn" in start and "gunicorn" not in _needs(source)


def _version(source: Tree) -> str:
    text = f"{source.text('.python-version')}\n{source.text('runtime.txt')}"
    asked = source.toml("pyproject.toml").get("project", {})
    least = str(asked.get("requires-python", "")) if isinstance(asked, dict) else ""
    exact = version(least, r"==\s*(3\.\d+)", _OURS)
    return version(text, r"(?m)^\s*(?:python-)?(3\.\d+)", exact)
