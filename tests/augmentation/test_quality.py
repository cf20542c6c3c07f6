import numpy as np
import pytest
from scipy.linalg import sqrtm

from thymos.augmentation.quality import (
    copied,
    density_coverage,
    frechet_distance,
    gan_report,
    memorisation,
    mmd2,
    tstr_trts,
)
from thymos.base.errors import InputError

CLASSES = np.array(["low", "high"])


def trials_of(n, windows=6, size=6, seed=0, own=1.0):
    """Return windows of trials: what a trial has of its own, what its class has, and noise."""
    rng = np.random.default_rng(seed)
    codes, trial = np.repeat(np.arange(n) % 2, windows), np.repeat(np.arange(n), windows)
    X = own * rng.standard_normal((n, size))[trial] + rng.standard_normal((n * windows, size)) + 1.2 * codes[:, None]
    return X.astype(np.float32), CLASSES[codes], np.array([f"t{seed}-{t}" for t in trial])


@pytest.fixture
def parts():
    """Return training part, held-out part and the trials of the latter."""
    train, held = trials_of(40, seed=1), trials_of(16, seed=2)
    return train[:2], held[:2], held[2]


def row_of(quality, measure, of="all"):
    table = quality.table
    return table[(table["measure"] == measure) & (table["class"] == of)].iloc[0]


def verdicts(quality):
    table = quality.table[quality.table["class"] == "all"]
    return dict(zip(table["measure"], table["verdict"], strict=True))


def copies(part, noise=0.01, n=150, seed=3):
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(part[0]), size=n)
    X = part[0][rows] + noise * rng.standard_normal((n, part[0].shape[1]))
    return X.astype(np.float32), part[1][rows]


def test_mmd_is_the_sum_over_pairs():
    rng = np.random.default_rng(0)
    X, G = rng.standard_normal((5, 2)), rng.standard_normal((4, 2)) + 1
    both = np.r_[X, G]
    d = np.linalg.norm(both[:, None] - both, axis=2)
    middle = np.median(d[np.triu_indices(9, 1)] ** 2)
    k = np.mean([np.exp(-(d**2) / (2 * middle * s**2)) for s in (0.5, 1, 2, 4, 8)], axis=0)
    real = sum(k[i, j] for i in range(5) for j in range(5) if i != j) / 20
    made = sum(k[i, j] for i in range(5, 9) for j in range(5, 9) if i != j) / 12
    across = sum(k[i, j] for i in range(5) for j in range(5, 9)) / 20
    value, p = mmd2(X, G)
    assert value == pytest.approx(real + made - 2 * across, rel=1e-6)
    assert np.isnan(p)


def test_mmd_of_one_distribution_is_nought_on_average_and_its_p_is_level():
    rng = np.random.default_rng(0)
    found = np.array([mmd2(*rng.standard_normal((2, 20, 3)), permutations=99, seed=k) for k in range(200)])
    assert abs(found[:, 0].mean()) < 2.5 * found[:, 0].std() / np.sqrt(200)
    assert np.mean(found[:, 1] <= 0.1) == pytest.approx(0.1, abs=0.06)
    value, p = mmd2(rng.standard_normal((60, 3)), rng.standard_normal((60, 3)) + 1, permutations=99)
    assert value > 0.05
    assert p == pytest.approx(0.01)


def test_frechet_distance_is_the_formula():
    rng = np.random.default_rng(0)
    X, G = rng.standard_normal((50, 4)), rng.standard_normal((70, 4)) @ rng.standard_normal((4, 4)) + 2
    a, b = np.cov(X.T), np.cov(G.T)
    shift = np.square(X.mean(axis=0) - G.mean(axis=0)).sum()
    assert frechet_distance(X, G) == pytest.approx(shift + np.trace(a + b - 2 * sqrtm(a @ b).real))
    assert frechet_distance(X, X) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(X, X + 3) == pytest.approx(4 * 9)
    few = rng.standard_normal((3, 10))
    assert frechet_distance(few, few[::-1]) == pytest.approx(0, abs=1e-9), "fewer rows than columns"


def test_density_and_coverage_count_balls():
    X = np.array([[0.0], [1.0], [3.0], [10.0]])
    # radii of k = 1: 1, 1, 2, 7
    assert density_coverage(X, np.array([[0.5], [0.6]]), k=1) == (pytest.approx(4 / 2), pytest.approx(2 / 4))
    assert density_coverage(X, np.array([[-50.0], [99.0]]), k=1) == (0, 0)
    rng = np.random.default_rng(0)
    density, coverage = density_coverage(rng.standard_normal((400, 5)), rng.standard_normal((400, 5)))
    assert density == pytest.approx(1, abs=0.15)
    assert coverage > 0.9


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_a_generator_that_returns_training_rows_fails(parts, share):
    train, held, trials = parts
    made = copies(train)[0]
    made[int(share * len(made)) :] = trials_of(40, seed=9)[0][: len(made) - int(share * len(made))]
    found = memorisation(train[0], held[0], made, trials)
    assert found["memorised"]
    assert found["close"] == pytest.approx(share, abs=0.05)


def test_copies_of_few_rows_are_found_though_the_median_is_honest(parts):
    train, held, trials = parts
    made = np.concatenate([copies(train, n=40)[0], trials_of(40, seed=9)[0][:160]])
    labels = np.tile(CLASSES, 100)
    assert not memorisation(train[0], held[0], made, trials)["memorised"]
    quality = gan_report(train, held, (made, labels), trials)
    assert verdicts(quality)["close"] == "bad"
    assert quality.verdict == "bad"


@pytest.mark.parametrize("known", [True, False])
def test_new_trials_of_the_same_distribution_are_no_copies(parts, known):
    train, held, trials = parts
    for seed in range(5, 15):
        found = memorisation(train[0], held[0], trials_of(30, seed=seed)[0], trials if known else None, seed)
        assert not found["memorised"]
        assert not found["nearer_than_new"] or not known
        assert found["close"] < 0.05


def test_noise_as_wide_as_the_data_is_no_copy(parts):
    train, held, trials = parts
    made = copies(train, noise=1.5 * train[0].std())[0]
    assert not memorisation(train[0], held[0], made, trials)["memorised"]


def test_dull_rows_are_near_to_all_and_no_copies_and_some_copies_among_them_are_found():
    rng = np.random.default_rng(0)
    train, held, made = (rng.standard_normal((n, 80)) for n in (600, 200, 300))
    made *= 0.6
    found = copied(memorisation(train, held, made))
    assert (found["close"] > 0.9, found["copies"] < 0.1, found["memorised"]) == (True, True, False)
    made[:45] = train[:45] + 0.01
    found = copied(memorisation(train, held, made))
    assert (found["copies"], found["memorised"]) == (pytest.approx(0.15, abs=0.05), True)


def test_more_training_than_held_out_rows_do_not_count_as_memory():
    rng = np.random.default_rng(0)
    train, held, made = (rng.standard_normal((n, 2)) for n in (1000, 40, 200))
    found = memorisation(train, held, made)
    assert found["ratio"] < 0.5, "the nearest of many is near"
    assert not found["memorised"]


def test_new_windows_of_known_trials_are_neither_copies_nor_new_trials():
    X = trials_of(40, windows=12, seed=1, own=2.0)[0]
    first = np.arange(len(X)) % 12 < 6
    held, _, trials = trials_of(16, seed=2, own=2.0)
    found = memorisation(X[first], held, X[~first], trials)
    assert found["nearer_than_new"]
    assert not found["memorised"]


def test_held_out_samples_are_halved_by_trial():
    train, held = trials_of(40, seed=1, own=2.0)[0], trials_of(16, seed=2, own=2.0)
    honest = trials_of(40, seed=3, own=2.0)[0]
    found = memorisation(train, held[0], honest, held[2])
    assert found["new_trials"] == pytest.approx(found["ratio"], rel=0.1)
    assert memorisation(train, held[0], honest)["new_trials"] > 1.25 * found["ratio"], "windows of one trial in both"


@pytest.mark.parametrize("offset", [0, 1000])
def test_copies_among_training_rows_are_no_excuse(parts, offset):
    train, held, trials = parts
    twice = np.concatenate([train[0], train[0][:30]]) + offset
    found = memorisation(twice, held[0] + offset, copies(train, noise=0)[0] + offset, trials)
    assert found["memorised"]
    assert found["close"] == 1


def test_rows_that_are_there_several_times_hide_no_copies(parts):
    train, held, trials = parts
    made = copies(train)
    repeated = [tuple(np.repeat(part, n, axis=0) for part in train) for n in (1, 4)]
    once, often = (gan_report(seen, held, made, trials) for seen in repeated)
    for report in (once, often):
        assert row_of(report, "memorisation")["verdict"] == "bad"
    assert row_of(often, "memorisation")["reference"] == row_of(once, "memorisation")["reference"]


def test_a_constant_generator_has_an_answer(parts):
    train, held, trials = parts
    made = np.repeat(train[0][:1], 20, axis=0)
    assert memorisation(train[0], held[0], made, trials)["memorised"]


def test_one_held_out_trial_leaves_the_second_comparison(parts):
    train, held, _ = parts
    trials = np.full(len(held[0]), "one")
    found = memorisation(train[0], held[0], copies(train)[0], trials)
    assert np.isnan(found["new_trials"])
    assert found["memorised"]
    assert not memorisation(train[0], held[0], held[0] + 0.5, trials)["memorised"]
    assert "one held-out trial" in " ".join(gan_report(train, held, copies(train), trials).notes)


def test_transfer_of_swapped_labels_is_below_chance_and_of_honest_ones_near_the_reference(parts):
    train, held, _ = parts
    honest = tstr_trts(train, held, trials_of(40, seed=5)[:2])
    assert honest.trtr > 0.7
    assert abs(honest.tstr - honest.trtr) < 0.12
    X, y, _ = trials_of(40, seed=5)
    swapped = tstr_trts(train, held, (X, np.where(y == "low", "high", "low")))
    assert swapped.trtr == honest.trtr
    assert swapped.tstr == pytest.approx(1 - honest.tstr)
    assert swapped.trts == pytest.approx(1 - honest.trts)


def test_more_columns_than_rows_are_no_obstacle_to_the_classifier():
    rng = np.random.default_rng(0)
    parts = []
    for n in (120, 60, 80):
        y = np.tile(CLASSES, n // 2)
        parts.append((rng.standard_normal((n, 1000)) + 0.25 * (y == "high")[:, None], y))
    row = row_of(gan_report(*parts), "tstr")
    assert row["reference"] > 0.9
    assert row["verdict"] == "good"


def test_collapse_is_named(parts):
    train, held, trials = parts
    rng = np.random.default_rng(0)
    means = np.array([train[0][train[1] == name].mean(axis=0) for name in CLASSES])
    X = means[np.arange(120) % 2] + 0.05 * rng.standard_normal((120, 6))
    quality = gan_report(train, held, (X, np.tile(CLASSES, 60)), trials)
    found = verdicts(quality)
    assert quality.verdict == "bad"
    assert {found["mmd2"], found["frechet"]} == {"bad"}
    assert found["coverage"] != "good"
    assert found["trts"] == "good"
    assert "crowded" in row_of(quality, "density")["words"]


def test_an_honest_generator_is_good_in_every_way_and_noise_bad(parts):
    train, held, trials = parts
    quality = gan_report(train, held, trials_of(40, seed=7)[:2], trials)
    assert quality.verdict == "good", quality.words
    assert set(verdicts(quality).values()) == {"good"}
    row = row_of(quality, "frechet")
    assert row["value"] == pytest.approx(row["reference"], rel=0.4)
    assert row["reference"] > 0.05, "real against real at the same number is not nought"
    assert row["reference_low"] < row["reference"] < row["reference_high"]
    assert row["n"] == 96
    noise = 3 * np.random.default_rng(0).standard_normal((200, 6)), np.tile(CLASSES, 100)
    found = verdicts(gan_report(train, held, noise, trials))
    assert {found[name] for name in ("mmd2", "frechet", "density", "coverage", "tstr", "trts")} <= {"bad", "doubtful"}
    assert found["density"] == found["trts"] == "bad"
    assert found["memorisation"] == "good"


def test_windows_of_trials_are_not_outside_of_every_ball():
    train, held = trials_of(40, size=100, seed=1), trials_of(16, size=100, seed=2)
    made = trials_of(40, size=100, seed=3)[:2]
    row = row_of(gan_report(train[:2], held[:2], made, held[2]), "coverage")
    assert row["reference"] > 0.5
    assert row["verdict"] == "good"
    assert row_of(gan_report(train[:2], held[:2], made), "coverage")["reference"] < 0.1


def test_other_shares_of_classes_are_no_difference(parts):
    train, held, trials = parts
    X, y, _ = trials_of(60, seed=7)
    kept = np.r_[np.flatnonzero(y == "low"), np.flatnonzero(y == "high")[:50]]
    quality = gan_report(train, held, (X[kept], y[kept]), trials)
    assert verdicts(quality)["mmd2"] == "good"
    assert quality.counts["generated"] == {"high": 50, "low": 180}


def test_scales_and_shapes_make_no_difference(parts):
    train, held, trials = parts
    made = copies(train, noise=0.5)
    plain = gan_report(train, held, made, trials).table
    scaled = [((1e-6 * X + 3e-6).reshape(len(X), 2, 3), y) for X, y in (train, held, made)]
    other = gan_report(*scaled, trials).table
    for column in ("value", "reference"):
        assert other[column].to_numpy() == pytest.approx(plain[column].to_numpy(), rel=0.02, abs=5e-3, nan_ok=True)


def test_the_seed_decides(parts):
    train, held, trials = parts
    made = trials_of(40, seed=7)[:2]
    first, again, other = (gan_report(train, held, made, trials, seed=seed) for seed in (0, 0, 1))
    assert first.table.equals(again.table)
    assert not first.table.equals(other.table)
    assert first.embedding.equals(again.embedding)


def test_many_rows_are_drawn_down():
    rng = np.random.default_rng(0)
    y = np.tile(CLASSES, 2000)
    train, held, made = ((rng.standard_normal((4000, 3)), y) for _ in range(3))
    quality = gan_report(train, held, made, permutations=5, draws=1)
    assert row_of(quality, "mmd2")["n"] == 1000
    assert any("1000" in note for note in quality.notes)
    assert len(quality.embedding) == 900


def test_a_class_that_was_not_made_is_a_gap(parts):
    train, held, trials = parts
    X, y = copies(train)
    quality = gan_report(train, held, (X[y == "low"], y[y == "low"]), trials)
    words = " ".join(quality.words)
    assert "High: not measured, nothing of it was generated." in words
    assert "fewer than two classes" in row_of(quality, "tstr")["words"]
    assert np.isnan(row_of(quality, "tstr")["value"])
    assert row_of(quality, "mmd2", "low")["n"] == 48
    few = gan_report(
        train, held, (np.r_[X[y == "low"], X[y == "high"][:9]], np.r_[y[y == "low"], ["high"] * 9]), trials
    )
    assert "9 generated" in " ".join(few.words)


def test_classifiers_are_of_the_classes_that_are_made(parts):
    train, held, trials = parts
    more = [(np.r_[X, X[:40] + 3], np.r_[y, np.full(40, "mid")]) for X, y in (train, held)]
    quality = gan_report(more[0], more[1], copies(train), np.r_[trials, trials[:40]])
    for name in ("tstr", "trts"):
        row, same = row_of(quality, name), row_of(gan_report(train, held, copies(train), trials), name)
        assert row["words"].endswith("of high, low")
        assert row["value"] == pytest.approx(same["value"], abs=0.1)


def test_constant_features_are_left_out_and_said(parts):
    train, held, trials = parts
    made = trials_of(40, seed=7)[:2]
    given = zip((train, held, made), (1, 1, 2), strict=True)
    quality = gan_report(*((np.c_[X, np.full(len(X), value)], y) for (X, y), value in given), trials)
    assert "1 of 7 features are constant" in quality.notes[0]
    assert "other values in 1" in quality.notes[0]


def test_data_that_teach_nothing_say_nothing_about_transfer():
    rng = np.random.default_rng(0)
    train, held, made = ((rng.standard_normal((200, 4)), np.tile(CLASSES, 100)) for _ in range(3))
    quality = gan_report(train, held, made)
    assert verdicts(quality)["tstr"] == ""
    assert "chance" in row_of(quality, "tstr")["words"]
    assert quality.verdict == "good"


def test_plain_values_have_no_nan(parts):
    train, held, trials = parts
    X, y = copies(train)
    facts = gan_report(train, held, (X[y == "low"], y[y == "low"]), trials).to_dict()
    assert all(value is None or value == value for row in facts["rows"] for value in row.values())
    assert facts["verdict"] == "bad"
    assert facts["counts"]["generated"]["high"] == 0


def test_extreme_values_are_an_answer_and_no_overflow(parts):
    train, held, trials = parts
    X, y = copies(train, noise=0.5)
    X = X.astype(float)
    X[::2] *= 1e30
    assert gan_report(train, held, (X, y), trials).verdict == "bad"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X, y: (np.where(X > 2, np.nan, X), y), "no numbers"),
        (lambda X, y: (X[:, :3], y), "3 values"),
        (lambda X, y: (X, y[:-1]), "labels of generated"),
        (lambda X, y: (X, np.full(len(y), "other")), "'other' among generated"),
        (lambda X, y: (X[:0], y[:0]), r"shape \(0, 6\)"),
        (lambda X, y: (X.astype(str), y), "generated came as"),
        (lambda X, y: ({"eeg": X}, y), "generated came as"),
        (lambda X, y: (X[:8], y[:8]), "No class has enough"),
        (lambda X, y: X, "generated is a ndarray"),
    ],
)
def test_what_does_not_fit_is_said(parts, change, words):
    train, held, trials = parts
    with pytest.raises(InputError, match=words):
        gan_report(train, held, change(*copies(train)), trials)


def test_other_input_that_does_not_fit_is_said(parts):
    train, held, trials = parts
    with pytest.raises(InputError, match="held_trials"):
        gan_report(train, held, copies(train), trials[:-1])
    with pytest.raises(InputError, match="k=0"):
        gan_report(train, held, copies(train), trials, k=0)
    with pytest.raises(InputError, match="permutations=-1"):
        gan_report(train, held, copies(train), trials, permutations=-1)
    with pytest.raises(InputError, match="called 'all'"):
        gan_report((train[0], np.where(train[1] == "low", "all", "high")), held, copies(train), trials)
    with pytest.raises(InputError, match="All training rows are the same"):
        gan_report((np.ones((100, 6)), np.tile(CLASSES, 50)), held, copies(train), trials)
    with pytest.raises(InputError, match="rows are the same"):
        mmd2(np.ones((5, 2)), np.ones((5, 2)))
    with pytest.raises(InputError, match="fewer than there are"):
        density_coverage(np.eye(4), np.eye(4), k=4)
    with pytest.raises(InputError, match="same ones"):
        tstr_trts(train, held, (train[0][:4], np.full(4, "low")))
    with pytest.raises(InputError, match="3 held-out"):
        memorisation(train[0], held[0][:3], train[0])
