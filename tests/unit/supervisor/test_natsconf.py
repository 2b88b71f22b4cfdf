import pytest

from libs.supervisor import natsconf
from libs.supervisor.home import NATS_USERS, SERVICES


def test_every_write_is_synced_and_quotes_stay_quotes() -> None:
    text = natsconf.render(port=4222, store='/a "b"', passwords={"api": 'x"$y'})
    assert "sync_interval: always" in text
    assert 'listen: "127.0.0.1:4222"' in text
    assert 'store_dir: "/a \\"b\\""' in text
    assert 'password: "x\\"$y"' in text


@pytest.mark.parametrize("user", NATS_USERS)
def test_nobody_may_everything(user: str) -> None:
    may = natsconf.permissions(user)
    for subject in (*may.publish, *may.subscribe):
        assert subject not in {">", "*", "dockup.>", "$JS.>", "$JS.API.>", "$KV.>"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_speaks_for_itself_alone(service: str) -> None:
    may = natsconf.permissions(service)
    assert [subject for subject in may.publish if subject.startswith("dockup.evt.")] == [f"dockup.evt.{service}.>"]
    assert [subject for subject in may.subscribe if subject.startswith("_INBOX")] == [f"_INBOX_{service}.>"]


@pytest.mark.parametrize("service", SERVICES)
def test_logs_are_written_by_those_who_have_any(service: str) -> None:
    assert ("dockup.log.>" in natsconf.permissions(service).publish) is (service in {"builder", "runtime"})
