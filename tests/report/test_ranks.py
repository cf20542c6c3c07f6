"""Which mean ranks are joined."""

import numpy as np
import pytest

from thymos.report.ranks import cliques


@pytest.mark.parametrize(
    ("ranks", "critical", "expected"),
    [
        ([1.0, 1.4, 3.0, 3.3], 1.0, [(0, 1), (2, 3)]),
        ([1.0, 1.8, 2.6], 1.0, [(0, 1), (1, 2)]),
        ([1.0, 1.2, 1.4], 1.0, [(0, 2)]),
        ([1.0, 3.0], 1.0, []),
    ],
)
def test_only_the_greatest_runs_that_a_test_cannot_tell_apart_are_joined(ranks, critical, expected):
    assert cliques(np.array(ranks), critical) == expected
