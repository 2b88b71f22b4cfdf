"""A service never imports another, libs never import services, only `libs/common/engine` imports docker."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = ("api", "builder", "runtime", "metrics", "router")
# The supervisor starts services by name (it imports them once, then forks): the one place that may know them all.
STARTS_SERVICES = ROOT / "libs" / "supervisor"


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_no_other(service: str) -> None:
    others = tuple(f"services.{other}" for other in SERVICES if other != service)
    for path in sources(f"services/{service}"):
        wrong = {name for name in imports(path) if name.startswith(others)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_libs_import_no_service() -> None:
    for path in sources("libs"):
        if path.is_relative_to(STARTS_SERVICES):
            continue
        wrong = {name for name in imports(path) if name.startswith("services")}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_only_the_engine_rooms_import_docker() -> None:
    rooms = ROOT / "libs" / "common" / "engine"
    for path in [*sources("libs"), *sources("services")]:
        if path.is_relative_to(rooms):
            continue
        wrong = {name for name in imports(path) if name == "docker" or name.startswith("docker.")}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "api"])
def test_the_database_belongs_to_the_api(service: str) -> None:
    for path in sources(f"services/{service}"):
        assert not {name for name in imports(path) if name.startswith("sqlalchemy")}, path.relative_to(ROOT)


def test_every_service_has_the_same_core() -> None:
    for service in SERVICES:
        for name in ("__main__.py", "settings.py"):
            assert (ROOT / "services" / service / name).is_file(), f"services/{service}/{name}"
