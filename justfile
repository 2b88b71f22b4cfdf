# The developer's verbs. `just` alone lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]

python := ".venv/bin/python"
home := env("DOCKUP_HOME", if `id -u` == "0" { "/var/lib/dockup" } else { env("HOME") / ".local/share/dockup" })

[private]
default:
    @just --list --unsorted

[doc("Make the environment with everything that developing needs")]
[group("setup")]
setup:
    UV_PYTHON_DOWNLOADS=never uv sync --locked --all-groups

[doc("Make the small images that tests and benchmarks deploy")]
[group("setup")]
images:
    {{ python }} -m tests.images

[doc("Remove caches and what the linters and tests left behind")]
[group("setup")]
clean:
    rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis dist bench-results
    find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

[doc("Format the code")]
[group("check")]
format:
    {{ python }} -m ruff format
    {{ python }} -m ruff check --fix

[doc("Write docs/permissions.md anew from its table")]
[group("check")]
permissions:
    {{ python }} -c "from services.api.http.permissions import page; open('docs/permissions.md', 'w').write(page())"

[doc("Write docs/cli.md anew from the help of the verbs")]
[group("check")]
manual:
    {{ python }} -c "from libs.cli.manual import page; open('docs/cli.md', 'w').write(page())"

[doc("Lint, types, and who may import whom")]
[group("check")]
check:
    {{ python }} -m ruff check
    {{ python }} -m ruff format --check
    {{ python }} -m mypy
    {{ python }} -m pytest -q tests/test_boundaries.py

[doc("Everything that CI runs; arguments go to pytest")]
[group("test")]
test *arguments:
    ./dockup test {{ arguments }}

[doc("Kill everything in mid-deploy, at seeded random moments (minutes)")]
[group("test")]
faults *arguments:
    {{ python }} -m pytest -m long tests/faults --ignore tests/faults/test_soak.py {{ arguments }}

[doc("Every verb, by several clients, while everything breaks: 20 minutes, a fixed seed, accounts at the end (root)")]
[group("test")]
soak *arguments:
    {{ python }} -m pytest -s -m long tests/faults/test_soak.py {{ arguments }}

[doc("Attack the API with requests made from its OpenAPI document (minutes)")]
[group("test")]
attacks *arguments:
    {{ python }} -m pytest -m "long or not long" tests/attacks {{ arguments }}

[doc("What takes longer of the whole stack and of each service: long waits, many readers, rare outages (minutes)")]
[group("test")]
long *arguments:
    {{ python }} -m pytest -m long tests/e2e tests/integration {{ arguments }}

[doc("From a bare Debian to a running Dockup, in a folder of its own (root, debootstrap)")]
[group("test")]
bare *arguments:
    tests/bare/run.sh {{ arguments }}

[doc("The same machine under systemd: install, a reboot, a power cut, for root or for an ordinary user (root, systemd-nspawn)")]
[group("test")]
bare-systemd *arguments:
    tests/bare/systemd.sh {{ arguments }}

[doc("The containers of compose/, built and walked through (minutes; root and debootstrap, or DOCKUP_TEST_BASE)")]
[group("test")]
compose *arguments:
    {{ python }} -m pytest -m long tests/compose {{ arguments }}

[doc("Measure; the figures go to bench-results/ as JSON with the commit")]
[group("measure")]
bench *arguments:
    {{ python }} -m tests.bench {{ arguments }}

[doc("Memory (PSS) of everything of a running Dockup, process by process")]
[group("measure")]
memory:
    DOCKUP_HOME={{ home }} {{ python }} -P -m libs.supervisor.memory
