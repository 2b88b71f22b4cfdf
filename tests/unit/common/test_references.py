"""References to shared variables, as a table."""

import pytest

from libs.common.references import filled, names_in


@pytest.mark.parametrize(
    ("value", "names", "after"),
    [
        ("plain", set(), "plain"),
        ("${{ shared.A }}", {"A"}, "one"),
        ("${{shared.A}}-${{  shared.B  }}", {"A", "B"}, "one-${{ shared.A }}"),
        ("postgres://u:${{ shared.A }}@db/x", {"A"}, "postgres://u:one@db/x"),
        ("${{ shared.MISSING }}", {"MISSING"}, "${{ shared.MISSING }}"),
        ("${{ secrets.A }} ${ shared.A } $shared.A", set(), "${{ secrets.A }} ${ shared.A } $shared.A"),
    ],
)
def test_references(value: str, names: set[str], after: str) -> None:
    """A shared value that looks like a reference is no reference."""
    assert names_in(value) == names
    assert filled({"X": value}, {"A": "one", "B": "${{ shared.A }}"}) == {"X": after}
