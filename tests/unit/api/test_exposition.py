"""An app's figures in Prometheus' text format, as its own parser reads them."""

from typing import Any

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from libs.common.messages.metrics import ReplicaSample, StatsAnswer, TrafficNow
from libs.common.messages.router import RESPONSE_BOUNDS, AppTraffic
from libs.common.states import ReplicaState
from services.api.stats import exposition

SAMPLE = ReplicaSample(
    app_id="app_1",
    release=1,
    replica="dk-app_1-web-r1.0-0",
    container_id="c",
    state=ReplicaState.RUNNING,
    cpu_usage=150.0,
    memory_usage=2.0,
    network_rx_bytes=7,
)
TOTALS = AppTraffic(app_id="app_1", requests=12, status_2xx=10, status_5xx=2, times=(5, *(0,) * 12, 1))
TRAFFIC = TrafficNow(
    requests_per_second=1.0,
    open_requests=3,
    status_1xx=0,
    status_2xx=10,
    status_3xx=0,
    status_4xx=0,
    status_5xx=2,
    seconds=60,
    totals=TOTALS,
)


def read(answer: StatsAnswer) -> dict[tuple[str, ...], float]:
    text = exposition.write("app_1", answer)
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            labels: Any = {
                name: value
                for name, value in sample.labels.items()
                if name not in {"app", "replica"} and (name, value) != ("process", "web")
            }
            assert sample.labels["app"] == "app_1"
            found[sample.name, *labels.values()] = sample.value
    return found


def test_what_is_known_is_there_and_the_rest_is_not() -> None:
    found = read(StatsAnswer(at="x", engine_id="e", samples=(SAMPLE,), traffic=TRAFFIC))
    assert found["dockup_app_replicas",] == 1
    assert found["dockup_app_cpu_cores",] == 1.5
    assert found["dockup_app_memory_bytes",] == 2 * 1024 * 1024
    assert found["dockup_app_network_receive_bytes_total",] == 7
    assert ("dockup_app_memory_limit_bytes",) not in found
    assert (found["dockup_app_requests_total", "2xx"], found["dockup_app_requests_total", "5xx"]) == (10, 2)
    assert found["dockup_app_open_requests",] == 3
    buckets = [found["dockup_app_response_seconds_bucket", str(bound / 1000)] for bound in RESPONSE_BOUNDS]
    assert buckets == [5] * len(RESPONSE_BOUNDS)
    assert found["dockup_app_response_seconds_bucket", "+Inf"] == 6


def test_nobody_was_heard() -> None:
    stopped = msgspec.structs.replace(SAMPLE, state=ReplicaState.EXITED, cpu_usage=None, memory_usage=None)
    found = read(StatsAnswer(at="x", engine_id="e", samples=(stopped,)))
    assert found["dockup_app_replicas",] == 0
    assert not [name for name in found if "requests" in name[0] or "response" in name[0] or "cpu" in name[0]]
