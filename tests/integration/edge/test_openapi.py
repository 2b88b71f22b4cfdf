"""The OpenAPI document says what the routes do: every route, every error, an example of everything."""

import ast
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from litestar.routes import HTTPRoute
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.api.app import create_app
from services.api.http.catalogue import CATALOGUE
from services.api.http.guards import guards_of, handler_name
from services.api.openapi.document import build
from services.api.openapi.operations import OPERATIONS
from services.api.settings import Settings
from services.router import pages

ROOT = Path(__file__).parents[3]
PUBLIC = {"getStatus", "listErrors", "getError", "logIn", "register", "callbackGithub", "receiveGithub", "receiveForApp"}
SETTINGS = Settings(home="/nowhere", instance="test", nats_url="", nats_setup_url="", secret_key="x")
APP = create_app(SETTINGS)
DOCUMENT: dict[str, Any] = json.loads(build(APP, SETTINGS.url))


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, operation) for path, item in DOCUMENT["paths"].items() for method, operation in item.items()]


def routes() -> dict[str, Any]:
    found = {}
    for route in APP.routes:
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/v1"):
            for method, (handler, _) in route.route_handler_map.items():
                if method != "OPTIONS" and handler.resolve_include_in_schema():
                    found[handler_name(handler)] = handler
    return found


def test_every_route_stands_in_it_once() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert sorted(names) == sorted(routes())
    assert len(names) == len(set(names))
    assert set(names) == set(OPERATIONS), "operations.py has an entry for each"


def test_only_the_public_routes_go_without_a_token() -> None:
    open_routes = {name for name, handler in routes().items() if not guards_of(handler)}
    assert open_routes == PUBLIC
    assert {operation["operationId"] for _, _, operation in operations() if not operation["security"]} == PUBLIC


def media(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    bodies = (
        [("body", operation["requestBody"]["content"]["application/json"])]
        if "application/json" in operation.get("requestBody", {}).get("content", {})
        else []
    )
    answers = [
        (status, answer["content"]["application/json"])
        for status, answer in operation["responses"].items()
        if int(status) < 400 and "application/json" in answer.get("content", {})
    ]
    return bodies + answers


@pytest.mark.parametrize(("path", "method", "operation"), operations(), ids=lambda value: value if isinstance(value, str) else "")
def test_everything_has_an_example_that_fits(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"], (path, method)
    for where, content in media(operation):
        assert content.get("examples"), f"{operation['operationId']} {where}"
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        for example in content["examples"].values():
            jsonschema.validate(example["value"], schema, cls=jsonschema.Draft202012Validator)


def test_every_error_is_in_the_catalogue_and_explained() -> None:
    documented: set[str] = set()
    for _, _, operation in operations():
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                codes = answer["content"]["application/problem+json"]["examples"]
                assert {CATALOGUE[code].status for code in codes} == {int(status)}
                documented |= set(codes)
    assert documented <= set(DOCUMENT["components"]["examples"])
    answers = {code for code, entry in CATALOGUE.items() if entry.status is not None}
    of_the_proxy = {page.code for page in pages.EVERY} - documented
    assert answers - documented == {"method_not_allowed"} | of_the_proxy, "each code belongs to an operation; 405 has none"


def test_every_code_that_is_raised_is_in_the_catalogue() -> None:
    raised: set[str] = set()
    for path in (ROOT / "services" / "api").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem" and node.args:
                argument = node.args[0]
                raised |= {argument.value} if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else set()
    assert raised <= set(CATALOGUE)


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_headers_that_a_client_follows_are_said() -> None:
    answers = {(o["operationId"], status): set(answer["headers"]) for _, _, o in operations() for status, answer in o["responses"].items()}
    assert all("X-Request-Id" in names for names in answers.values())
    assert {"Location", "Idempotent-Replay"} <= answers["deployApp", "202"]
    assert {"Location", "ETag"} <= answers["createApp", "201"]
    assert "ETag" in answers["getApp", "200"]
    assert "Location" not in answers["createUser", "201"]
    assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= answers["logIn", "429"]


def test_every_reference_leads_somewhere() -> None:
    references: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            references.update(value for name, value in node.items() if name == "$ref" and isinstance(value, str))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(DOCUMENT)
    for reference in references:
        node: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_every_post_takes_an_idempotency_key_and_path_parameters_are_explained() -> None:
    for path, method, operation in operations():
        parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
        assert all(parameter.get("description") for parameter in parameters.values()), (path, method)
        if method == "post" and operation["operationId"] != "logIn":
            assert "Idempotency-Key" in parameters, path
