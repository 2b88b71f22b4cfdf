"""What `./dockup` installs can be installed wherever it says that it runs: by a Python of Debian 12 or newer, on both processors."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

LOCK = tomllib.loads((Path(__file__).parents[2] / "uv.lock").read_text(encoding="utf-8"))
PACKAGES: list[dict[str, Any]] = LOCK["package"]


def fits(wheel: str, python: str, processor: str) -> bool:
    """By the tags that end a wheel's name: of the interpreter, of its ABI, of the platform."""
    interpreter, abi, platform = wheel.removesuffix(".whl").rsplit("-", 3)[1:]
    by_python = "py3" in interpreter.split(".") or abi == "abi3" or interpreter == f"cp{python}"
    return by_python and (platform == "any" or (re.search("linux", platform) is not None and processor in platform))


def always() -> set[str]:
    """Names of packages that some other asks for under no condition."""
    found = set()
    for package in PACKAGES:
        groups = [package.get("dependencies", []), *package.get("dev-dependencies", {}).values()]
        found |= {asked["name"] for group in groups for asked in group if "marker" not in asked}
    return found


@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", ["311", "312", "313"])
def test_every_package_can_be_had(python: str, processor: str) -> None:
    wanted = always()
    lacking = [
        package["name"]
        for package in PACKAGES
        if package["name"] in wanted
        and "sdist" not in package
        and "registry" in package["source"]
        and not any(fits(wheel["url"].rpartition("/")[2], python, processor) for wheel in package["wheels"])
    ]
    assert lacking == []
