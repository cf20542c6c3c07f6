import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.labels import MEDIAN, Label, Rule, grouped, ratings, settled
from thymos.base.samples import Samples


def rated(make_samples, values):
    samples = make_samples(subjects=1, trials=len(values), windows=1)
    return Samples(samples.X, np.asarray(values, dtype=float), samples.meta, samples.info)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(5), "low low high high"),
        (Rule(5, inclusive=True), "low high high high"),
        (Rule(4.9), "low high high high"),
        (Rule(8, inclusive=True), "low low low high"),
    ],
)
def test_a_rating_at_the_threshold_goes_where_the_rule_says(rule, expected):
    assert rule.apply(np.array([1, 5, 6.5, 8])).tolist() == expected.split()


def test_names_and_words_of_a_rule():
    rule = Rule(4.5, True, ("calm", "tense"))
    assert rule.apply(np.array([4, 5])).tolist() == ["calm", "tense"]
    assert str(rule) == "tense at or above 4.5"
    assert str(Rule(MEDIAN)) == "high above the median of the training part"


def test_the_median_is_that_of_the_training_part_alone():
    values, train = np.array([1.0, 2.0, 3.0, 9.0, 9.0, 9.0]), np.array([0, 1, 2])
    assert Rule(MEDIAN).apply(values, train).tolist() == ["low", "low", "high", "high", "high", "high"]
    assert Rule(MEDIAN).apply(values).tolist() == ["low"] * 3 + ["high"] * 3
    assert Rule(MEDIAN, True).apply(values, train).tolist() == ["low"] + ["high"] * 5


@pytest.mark.parametrize("rule", [Rule(5), Rule(MEDIAN)])
def test_classes_are_no_ratings(rule, make_samples, words):
    with pytest.raises(InputError) as error:
        rule.apply(np.array(["happy", "sad"]))
    words(error.value, "'happy' is no rating", "numbers")
    with pytest.raises(InputError, match="no rating"):
        rule.to(make_samples())


def test_a_fixed_threshold_makes_classes_at_once_and_a_median_waits_for_the_fold(make_samples):
    samples = rated(make_samples, [1, 2, 3, 9, 9, 9])
    assert Rule(3).to(samples).y.tolist() == ["low"] * 3 + ["high"] * 3
    waiting = Rule(MEDIAN, names=("down", "up")).to(samples)
    assert waiting.y.tolist() == [1, 2, 3, 9, 9, 9]
    assert "rule" not in samples.info
    made = settled(waiting, np.array([0, 1, 2]))
    assert made.y.tolist() == ["down", "down", "up", "up", "up", "up"]
    assert "rule" not in made.info
    assert settled(waiting).y.tolist() == ["down"] * 3 + ["up"] * 3
    assert settled(made) is made


def test_the_inclusive_median_stays_inclusive_until_the_fold(make_samples):
    waiting = Rule(MEDIAN, inclusive=True).to(rated(make_samples, [1, 2, 3]))
    assert settled(waiting).y.tolist() == ["low", "high", "high"]


def test_classes_are_grouped_and_what_is_in_no_group_is_left_out():
    values = [1, 3, 2, 3]
    assert grouped(values, {"negative": [1, 2], "positive": ["3"]}).tolist() == [
        "negative",
        "positive",
        "negative",
        "positive",
    ]
    assert grouped(["a", "b", "c"], {"x": ["a"], "y": ["c"]}).tolist() == ["x", "", "y"]


def test_a_class_in_two_groups_or_in_none_of_the_data_is_refused(words):
    with pytest.raises(InputError) as error:
        grouped(["a", "b"], {"x": ["a"], "y": ["a", "b"]})
    words(error.value, "'a' is in 'x' and in 'y'", "one each")
    with pytest.raises(InputError) as error:
        grouped(["a", "b"], {"x": ["a", "gone"]})
    words(error.value, "no class gone", "a, b")


def test_a_label_says_whose_word_it_is(words):
    with pytest.raises(InputError) as error:
        Label("valence", "guess")
    words(error.value, "'valence'", "'guess'", "self-report")
    made = ratings("self-report", (1, 9), 5, valence="how pleasant", arousal="how exciting")
    assert [(m.column, m.kind, m.scale, m.rule, m.summary) for m in made] == [
        ("valence", "self-report", (1, 9), Rule(5), "how pleasant"),
        ("arousal", "self-report", (1, 9), Rule(5), "how exciting"),
    ]
