"""References from one variable's value to a project's shared ones: `${{ shared.NAME }}`. Pure."""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\{\{\s*shared\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


def names_in(value: str) -> set[str]:
    """The shared variables that a value names."""
    return set(_REFERENCE.findall(value))


def filled(env: Mapping[str, str], shared: Mapping[str, str]) -> dict[str, str]:
    """`env` with each reference as the value that it names. What a shared value itself looks like is not looked at again.

    A name that `shared` does not have stays as it is written.
    """
    return {name: _REFERENCE.sub(lambda found: shared.get(found[1], found[0]), value) for name, value in env.items()}
