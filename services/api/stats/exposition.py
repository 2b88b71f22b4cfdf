"""An app's figures as Prometheus reads them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from libs.common.messages.api import WEB
from libs.common.messages.metrics import ReplicaSample, StatsAnswer
from libs.common.messages.router import RESPONSE_BOUNDS, AppTraffic
from libs.common.states import ReplicaState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MB = 1024 * 1024
_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")

Value = Callable[[ReplicaSample], float | None]
_GAUGES: dict[str, tuple[str, Value]] = {
    "dockup_app_cpu_cores": ("Cores in use.", lambda it: None if it.cpu_usage is None else it.cpu_usage / 100),
    "dockup_app_memory_bytes": ("Memory in use.", lambda it: None if it.memory_usage is None else it.memory_usage * _MB),
    "dockup_app_memory_limit_bytes": ("The memory limit.", lambda it: None if it.memory_limit is None else it.memory_limit * _MB),
    "dockup_app_pids": ("Processes and threads.", lambda it: it.pids),
}
_COUNTERS: dict[str, tuple[str, Value]] = {
    "dockup_app_network_receive_bytes": ("Bytes received since the container started.", lambda it: it.network_rx_bytes),
    "dockup_app_network_transmit_bytes": ("Bytes sent since the container started.", lambda it: it.network_tx_bytes),
    "dockup_app_block_read_bytes": ("Bytes read from disks since the container started.", lambda it: it.block_read_bytes),
    "dockup_app_block_write_bytes": ("Bytes written to disks since the container started.", lambda it: it.block_write_bytes),
}


class _Collected:
    """What `generate_latest` asks for."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def write(app_id: str, answer: StatsAnswer) -> str:
    """The text format 0.0.4. What is not known is left out."""
    return generate_latest(_Collected(_metrics(app_id, answer))).decode()


def _metrics(app_id: str, answer: StatsAnswer) -> Iterator[Metric]:
    running = Counter(sample.process for sample in answer.samples if sample.state is ReplicaState.RUNNING)
    replicas = GaugeMetricFamily("dockup_app_replicas", "Replicas that run.", labels=["app", "process"])
    for process in sorted({WEB, *(sample.process for sample in answer.samples)}):
        replicas.add_metric([app_id, process], running[process])
    yield replicas
    for name, (text, value) in _GAUGES.items():
        yield _of_replicas(GaugeMetricFamily(name, text, labels=["app", "replica", "process"]), app_id, answer, value)
    for name, (text, value) in _COUNTERS.items():
        yield _of_replicas(CounterMetricFamily(name, text, labels=["app", "replica", "process"]), app_id, answer, value)
    if answer.traffic is not None:
        yield from _passed(app_id, answer.traffic.totals, answer.traffic.open_requests)


def _of_replicas(family: GaugeMetricFamily | CounterMetricFamily, app_id: str, answer: StatsAnswer, value: Value) -> Metric:
    for sample in answer.samples:
        if (number := value(sample)) is not None:
            family.add_metric([app_id, sample.replica, sample.process], number)
    return family


def _passed(app_id: str, totals: AppTraffic, open_now: int) -> Iterator[Metric]:
    requests = CounterMetricFamily("dockup_app_requests", "Requests that the proxy passed on, by class of answer.", labels=["app", "class"])
    for name in _CLASSES:
        requests.add_metric([app_id, name], getattr(totals, f"status_{name}"))
    yield requests
    opened = GaugeMetricFamily("dockup_app_open_requests", "Requests and WebSockets that are under way.", labels=["app"])
    opened.add_metric([app_id], open_now)
    yield opened
    if totals.times:
        sums = list(accumulate(totals.times))
        bounds = [*(str(bound / 1000) for bound in RESPONSE_BOUNDS), "+Inf"]
        times = HistogramMetricFamily("dockup_app_response_seconds", "From a request's head to its answer's.", labels=["app"])
        times.add_metric([app_id], buckets=list(zip(bounds, sums, strict=True)), sum_value=None)
        yield times
