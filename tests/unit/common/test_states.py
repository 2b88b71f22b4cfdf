import itertools

import pytest

from libs.common.states import ENDED, BackwardsError, DeploymentStatus, advance

ORDER = [DeploymentStatus.QUEUED, DeploymentStatus.BUILDING, DeploymentStatus.DEPLOYING]


@pytest.mark.parametrize(("now", "to"), list(itertools.product(DeploymentStatus, DeploymentStatus)))
def test_a_deployment_only_moves_forward(now: DeploymentStatus, to: DeploymentStatus) -> None:
    forward = now not in ENDED and (to in ENDED or ORDER.index(to) > ORDER.index(now))
    if forward:
        assert advance(now, to) is to
    else:
        with pytest.raises(BackwardsError):
            advance(now, to)
