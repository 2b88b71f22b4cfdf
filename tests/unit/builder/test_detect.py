"""What a source is taken for, and the Dockerfile that it gets."""

from pathlib import Path

import pytest

from services.builder import detect
from services.builder.detect.plan import Plan, Tree
from services.builder.failed import Failed

PACKAGE = '{"scripts": {"start": "node server.js"}}'
VITE = '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "7"}}'


def planned(folder: Path, files: dict[str, str], **replaced: str) -> Plan:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return detect.plan(Tree(top=folder, folder=folder), replaced)


@pytest.mark.parametrize(
    ("files", "kind", "parts"),
    [
        ({"index.html": "x"}, "static", ("FROM nginxinc/nginx-unprivileged", "COPY . /usr/share/nginx/html")),
        ({"public/index.html": "x"}, "static", ("COPY public /usr/share/nginx/html",)),
        ({"main.py": "x"}, "python", ("FROM python:3.13-slim", 'CMD ["python", "main.py"]')),
        (
            {"requirements.txt": "flask", "app.py": "x"},
            "python",
            ("pip install -r requirements.txt", "pip install --no-cache-dir gunicorn", "exec gunicorn --bind 0.0.0.0:$PORT app:app"),
        ),
        ({"requirements.txt": "fastapi\nuvicorn", "main.py": "x"}, "python", ("exec uvicorn --host 0.0.0.0 --port $PORT main:app",)),
        (
            {"manage.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')", "requirements.txt": "django\ngunicorn"},
            "python",
            ("exec gunicorn --bind 0.0.0.0:$PORT shop.wsgi",),
        ),
        ({"uv.lock": "", "pyproject.toml": "", "main.py": "x"}, "python", ("COPY pyproject.toml uv.lock ./", "uv sync --active --frozen")),
        ({"poetry.lock": "", "pyproject.toml": "", "main.py": "x"}, "python", ("poetry install --only main --no-root",)),
        ({"requirements.txt": "", ".python-version": "3.11.4\n", "main.py": ""}, "python", ("FROM python:3.11-slim",)),
        ({"requirements.txt": "", "Procfile": "worker: x\nweb: python -m site $PORT\n"}, "python", ('"exec python -m site $PORT"',)),
        ({"package.json": PACKAGE, "package-lock.json": "{}"}, "node", ("FROM node:22-slim", "npm ci", 'CMD ["npm", "run", "start"]')),
        ({"package.json": PACKAGE}, "node", ("npm install",)),
        ({"package.json": PACKAGE, "pnpm-lock.yaml": ""}, "node", ("pnpm install --frozen-lockfile", '["pnpm", "run", "start"]')),
        ({"package.json": PACKAGE, "yarn.lock": ""}, "node", ("yarn install --frozen-lockfile",)),
        ({"package.json": '{"engines": {"node": ">=20.1"}}', "index.js": ""}, "node", ("FROM node:20-slim", 'CMD ["node", "index.js"]')),
        ({"package.json": VITE, "index.html": "x"}, "node", ("npm run build", "COPY --from=build /app/dist /usr/share/nginx/html")),
        ({"go.mod": "module x\n\ngo 1.23\n", "main.go": ""}, "go", ("FROM golang:1.23-alpine", "-o /out/app .", "distroless/static")),
        ({"go.mod": "module x\n", "go.sum": "", "cmd/serve/main.go": ""}, "go", ("COPY go.mod go.sum ./", "-o /out/app ./cmd/serve")),
        ({"Cargo.toml": '[package]\nname = "shop"\n', "Cargo.lock": ""}, "rust", ("cargo build --release --locked", "target/release/shop")),
        ({"Gemfile": "ruby '3.3.1'\n", "config.ru": ""}, "ruby", ("FROM ruby:3.3-slim", "bundle exec rackup")),
        ({"Gemfile": "", "bin/rails": ""}, "ruby", ("bin/rails server",)),
        ({"composer.json": '{"require": {"php": "^8.2"}}', "public/index.php": ""}, "php", ("FROM php:8.2-apache", "composer install")),
        ({"index.php": ""}, "php", ("FROM php:8.4-apache", "USER 33:33")),
        ({"Procfile": "web: ./serve --port $PORT && true"}, "procfile", ("FROM debian", '"./serve --port $PORT && true"')),
        ({"Procfile": "  WEB :./serve größer \n"}, "procfile", ('CMD ["sh", "-c", "exec ./serve größer"]',)),
    ],
)
def test_sources(tmp_path: Path, files: dict[str, str], kind: str, parts: tuple[str, ...]) -> None:
    plan = planned(tmp_path, files)
    assert plan.kind == kind
    assert plan.reason
    for part in parts:
        assert part in plan.dockerfile
    assert "EXPOSE 8080" in plan.dockerfile
    assert "USER " in plan.dockerfile or "unprivileged" in plan.dockerfile


@pytest.mark.parametrize("kind", ["python", "node", "go", "ruby", "php", "rust", "static", "debian"])
def test_base_images_can_be_replaced(tmp_path: Path, kind: str) -> None:
    signs = {
        "python": {"main.py": ""},
        "node": {"package.json": "{}"},
        "go": {"go.mod": ""},
        "ruby": {"Gemfile": ""},
        "php": {"index.php": ""},
        "rust": {"Cargo.toml": ""},
        "static": {"index.html": ""},
        "debian": {"Procfile": "web: x"},
    }
    plan = planned(tmp_path, signs[kind], **{kind: "mirror.corp/base:{version}"})
    assert "FROM mirror.corp/base:" in plan.dockerfile
    assert "{version}" not in plan.dockerfile


@pytest.mark.parametrize("files", [{}, {"notes.md": "x"}, {"Procfile": "worker: x"}])
def test_nothing_that_is_known(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(Failed) as error:
        planned(tmp_path, files)
    assert error.value.failure.code == "nothing_detected"


@pytest.mark.parametrize("text", ["web: a\x07b", "web: a\nnonsense", "web: a\nweb: b", "web:"])
def test_a_procfile_that_is_not_understood(tmp_path: Path, text: str) -> None:
    """It is not taken for one without `web`: the app would start by something else than its file says."""
    with pytest.raises(Failed, match="of the Procfile is not understood"):
        planned(tmp_path, {"Procfile": text, "main.py": "x"})


def test_names_that_would_become_instructions(tmp_path: Path) -> None:
    evil = 'x"]\nRUN id\n'
    plan = planned(tmp_path, {"Cargo.toml": f'[package]\nname = """{evil}"""\n', "go.mod": "go 1.2\nRUN id"})
    assert "RUN id" not in plan.dockerfile


def test_a_package_that_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"package\.json cannot be read"):
        planned(tmp_path, {"package.json": "{"})


def test_what_nobody_writes_by_hand(tmp_path: Path) -> None:
    """Nested without end: a reader of Python's would raise what is no failure of ours, and the builder try it five times."""
    deep = "[" * 100_000
    with pytest.raises(Failed, match=r"package\.json cannot be read"):
        planned(tmp_path, {"package.json": f'{{"a": {deep}'})
    assert planned(tmp_path, {"package.json": "{}", "pyproject.toml": f"a = {deep}"}).kind == "python"
    assert planned(tmp_path, {"pyproject.toml": f"a = {'9' * 5000}"}).kind == "python"


def test_a_link_out_of_the_repository_is_not_read(tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_text("web: leak")
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "Procfile").symlink_to(outside)
    with pytest.raises(Failed) as error:
        planned(folder, {})
    assert error.value.failure.code == "nothing_detected"
