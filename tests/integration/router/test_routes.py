"""What the proxy answers, by what the routes say."""

import httpx

from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, new_app


async def test_the_first_route_serves_over_tls(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    answer = await stack.get(app, "/some/path?x=1")
    assert answer.json()["name"] == replicas[0].name
    assert answer.json()["path"] == "/some/path?x=1"


async def test_a_stopped_app_and_one_that_is_gone(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    await stack.route(app)
    stopped = await stack.get(app)
    assert (stopped.status_code, stopped.json()["code"]) == (503, "app_not_running")
    assert stopped.headers["content-type"] == "application/problem+json"
    assert int(stopped.headers["retry-after"]) > 0
    assert (await stack.get(app, Accept="text/html,*/*")).headers["content-type"].startswith("text/html")
    await stack.route(app, hosts=())
    gone = await stack.ask("GET", "localhost", "/", {"Host": stack.host(app)})
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_host")


async def test_a_lower_revision_changes_nothing(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app, other = new_app(), new_app()
    await stack.route(app, replicas[0].upstream())
    newest = await stack.put(app, replicas[1].upstream())
    await stack.wait_applied(newest)
    stack._revisions[app] = 0
    await stack.put(app, replicas[2].upstream())
    await stack.route(other)
    assert (await stack.get(app)).json()["name"] == replicas[1].name


async def test_plain_http_is_redirected_on_known_hosts_alone(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    async with httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{stack.http_port}/a%20b?c=d"
        moved = await client.post(url, headers={"Host": f"{stack.host(app)}:{stack.http_port}"})
        unknown = await client.get(url, headers={"Host": "elsewhere.example"})
    assert moved.status_code == 308
    assert moved.headers["location"] == f"https://{stack.host(app)}:{stack.https_port}/a%20b?c=d"
    assert unknown.status_code == 404


async def test_forwarded_headers_are_the_proxys_own(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    forged = {"X-Forwarded-For": "6.6.6.6", "X_Forwarded_Proto": "gopher", "Forwarded": "for=6.6.6.6", "X-Real-IP": "6.6.6.6"}
    seen = (await stack.ask("GET", stack.host(app), "/", forged)).json()["headers"]
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-host"] == stack.host(app)
    assert seen["x-forwarded-port"] == str(stack.https_port)
    assert not {"x_forwarded_proto", "forwarded", "x-real-ip"} & seen.keys()


async def test_the_probe_names_the_replica_to_who_knows_the_token(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    [lease] = stack.leases.entries.values()
    probed = await stack.get(app, X_Dockup_Probe=lease.probe_token)
    assert probed.headers["x-dockup-replica"] == replicas[0].name
    assert "x-dockup-probe" not in probed.json()["headers"]
    guessed = await stack.get(app, X_Dockup_Probe="guess")
    assert "x-dockup-replica" not in guessed.headers
    assert "x-dockup-probe" not in guessed.json()["headers"]
    await stack.route(app)
    assert "x-dockup-replica" not in (await stack.get(app, X_Dockup_Probe=lease.probe_token)).headers


async def test_the_api_is_at_the_base_domain(stack: Stack) -> None:
    await stack.start()
    away = await stack.ask("GET", "localhost", "/api/v1/system/status", {}, timeout=10)
    assert (away.status_code, away.json()["code"], away.json()["retryable"]) == (503, "api_unavailable", True)
    api = Replica("api")
    api.port = stack.api_port
    await api.start()
    assert (await stack.ask("GET", "localhost", "/api/v1/system/status", {})).json()["name"] == "api"
    for path in ("/metrics", "//metrics", "/%6detrics", "/metrics/", "/METRICS"):
        assert (await stack.ask("GET", "localhost", path, {})).status_code == 404
    await api.stop()


async def test_one_bad_entry_spoils_no_other(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app, good = new_app(), new_app()
    await stack.put(app, replicas[0].upstream(), hosts=("not a host", "localhost", stack.host(app), "-x.localhost"))
    await stack.route(good, replicas[1].upstream())
    assert (await stack.get(app)).json()["name"] == replicas[0].name
    assert (await stack.get(good)).json()["name"] == replicas[1].name
