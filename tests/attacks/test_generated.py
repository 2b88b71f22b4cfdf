"""Requests made up from the OpenAPI document, right ones and wrong ones: no 5xx, and no answer that the document does not have.

The run is seeded: `just attacks` makes the same requests again. It makes many, the default run a few for each operation.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from tests.attacks.ground import Ground, Json
from tests.servers.nats import NatsServer

_SEED = 20261124
_FEW, _MANY = 4, 30
_TIMEOUT = 20
_CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.content_type_conformance,
    checks.ignored_auth,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.status_code_conformance,
    checks.unsupported_method,
]
"""Not among them: that what fits the schema is accepted. Limits of the machine, slugs in use and the like are beyond a schema."""


def _settings(examples: int) -> Any:
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    phases = (Phase.generate,)  # without shrinking: the failing request is printed as it is
    return settings(max_examples=examples, deadline=None, database=None, phases=phases, suppress_health_check=quiet)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    nats = NatsServer(tmp_path_factory.mktemp("nats"))
    nats.start()
    nats.ensure()
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('database')}/dockup.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create_database()
    ground = Ground(Path(tmp_path_factory.mktemp("home")), nats.url, url)
    try:
        ground.start()
        yield ground
    finally:
        ground.stop()
        nats.kill()


def _attack(ground: Ground, document: Json, examples: int) -> list[str]:
    """Every operation in turn, with what its schema takes and with what it does not; what was answered wrongly."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=ground.url)
    found = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        for mode in GenerationMode:
            try:
                _try(operation.as_strategy(generation_mode=mode), ground, examples)
            except FailureGroup as failures:
                found += [f"{operation.label} ({mode.value}): {failure}" for failure in failures.exceptions]
            except Unsatisfiable:  # an operation without parameters takes everything
                assert mode is GenerationMode.NEGATIVE, operation.label
    return found


def _try(strategy: Any, ground: Ground, examples: int) -> None:
    @seed(_SEED)
    @_settings(examples)
    @given(case=strategy)
    def each(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": ground.key}, checks=_CHECKS, timeout=_TIMEOUT)

    each()


@pytest.mark.parametrize("ground", ["postgresql"], indirect=True)  # the stricter of the two
def test_a_few_requests_of_each_operation(ground: Ground) -> None:
    assert not _attack(ground, ground.document(), _FEW)


@pytest.mark.parametrize("ground", ["postgresql"], indirect=True)
def test_an_answer_that_is_not_documented_is_found(ground: Ground) -> None:
    document = ground.document()
    path = "/api/v1/deployments/{deployment_id}"
    document["paths"] = {path: document["paths"][path]}
    del document["paths"][path]["get"]["responses"]["404"]
    found = _attack(ground, document, 10 * _FEW)
    assert any("Undocumented status code" in failure for failure in found), found


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_requests_of_each_operation(ground: Ground) -> None:
    assert not _attack(ground, ground.document(), _MANY)
