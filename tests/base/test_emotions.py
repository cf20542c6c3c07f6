import numpy as np
import pytest

from thymos.base.emotions import PROTOTYPES, nearest
from thymos.base.errors import InputError


def test_each_word_is_nearest_to_itself_and_the_middle_is_neutral():
    points = np.array(list(PROTOTYPES.values()))
    assert nearest(points).tolist() == list(PROTOTYPES)
    assert nearest(np.zeros((1, 2))).tolist() == ["neutral"]
    assert nearest(np.array([[0.9, 0.5, 0.4], [-0.7, -0.4, -0.4]])).tolist() == ["happiness", "sadness"]


def test_dominance_tells_anger_from_fear_and_two_ratings_cannot_well():
    assert nearest(np.array([[-0.6, 0.6, 0.3], [-0.6, 0.6, -0.4]])).tolist() == ["anger", "fear"]


@pytest.mark.parametrize(
    ("points", "words"), [(np.zeros((2, 4)), "shape"), (np.zeros(3), "shape"), (np.array([[0.1, np.nan]]), "missing")]
)
def test_other_points_are_refused(points, words):
    with pytest.raises(InputError, match=words):
        nearest(points)
