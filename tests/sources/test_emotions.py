import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError, InputError, ProtocolError
from thymos.evaluation.splitters import LeaveOneSubjectOut, RandomWindowSplit, RecordingSplit, TrialSplit
from thymos.sources.emotions import FILE, EmotionsCSV, rechain


@pytest.fixture
def folder(emotions_folder, tmp_path):
    (tmp_path / FILE).write_bytes((emotions_folder / FILE).read_bytes())
    return tmp_path


def edit(folder, change):
    table = pd.read_csv(folder / FILE, dtype=str)
    change(table).to_csv(folder / FILE, index=False)


def words_of(n, rng, offset=0.0):
    """Return the blocks of a made-up recording of n rows: earlier and later."""
    windows = rng.normal(offset, 1, (n + 1, 8))
    return windows[:-1].copy(), windows[1:].copy()


def made(lengths=(5, 7, 9), labels="xxy", seed=0):
    rng = np.random.default_rng(seed)
    blocks = [words_of(n, rng) for n in lengths]
    a, b = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return a, b, np.repeat(list(labels), lengths), np.repeat(np.arange(len(lengths)), lengths)


def same_partition(first, second):
    return len({*zip(first, second, strict=True)}) == len({*first}) == len({*second})


def test_shuffled_rows_find_their_chain_and_place_whatever_their_order():
    a, b, labels, truth = made()
    rng = np.random.default_rng(1)
    reference = rechain(a, b, labels)
    for _ in range(5):
        order = rng.permutation(len(a))
        chains = rechain(a[order], b[order], labels[order])
        assert chains.linked == 1.0
        assert same_partition(chains.number, truth[order])
        assert np.array_equal(chains.number, reference.number[order]), "numbers depend on the order of rows"
        for chain in range(3):
            rows = np.flatnonzero(chains.number == chain)
            assert np.array_equal(np.sort(chains.position[rows]), np.arange(len(rows)))
            assert (np.diff(order[rows[np.argsort(chains.position[rows])]]) == 1).all()


def test_rows_of_two_labels_are_never_linked():
    a, b, labels, _ = made((6,), "x")
    labels[3:] = "y"
    chains = rechain(a, b, labels)
    assert chains.number.tolist() == [0, 0, 0, 1, 1, 1]


def test_an_ambiguous_half_is_settled_by_the_continuity_of_the_mean():
    rng = np.random.default_rng(0)
    (a1, b1), (a2, b2) = words_of(6, rng, offset=0), words_of(6, rng, offset=50)
    b1[2] = a1[3] = b2[3] = a2[4] = 0.0  # both recordings have the same empty window
    a1[3, 0] = -0.0  # the sign of zero makes no difference
    order = rng.permutation(12)
    a, b = np.concatenate([a1, a2])[order], np.concatenate([b1, b2])[order]
    chains = rechain(a, b, np.full(12, "x"))
    assert same_partition(chains.number, order // 6)
    assert chains.linked == 1.0


def test_copies_of_a_row_share_its_place_and_rings_and_single_rows_are_chains():
    a, b, labels, _ = made((4,), "x")
    twice = rechain(np.r_[a, a[1:2]], np.r_[b, b[1:2]], [*labels, "x"])
    assert twice.position.tolist() == [0, 1, 2, 3, 1]
    assert twice.number.tolist() == [0] * 5
    ring = rechain(a, np.r_[b[:-1], a[:1]], labels)
    assert ring.number.tolist() == [0] * 4
    assert sorted(ring.position) == [0, 1, 2, 3]
    still = rechain(a[:1], a[:1], labels[:1])  # a row that would follow itself
    assert (still.number.tolist(), still.linked) == ([0], 0.0)
    apart = rechain(a[::2], b[::2], labels[::2])
    assert (sorted(apart.number), apart.linked) == ([0, 1], 0.0)


def test_blocks_that_do_not_fit_are_refused():
    a, b, labels, _ = made()
    for wrong in ((a, b[:-1], labels), (a, b, labels[:-1]), (a[:0], b[:0], labels[:0]), (a[0], b[0], labels)):
        with pytest.raises(InputError, match="one label per row"):
            rechain(*wrong)


def test_one_recording_per_chain_with_complete_metadata(folder):
    recordings = list(EmotionsCSV(folder).recordings())
    names = [r.meta["trial"] for r in recordings]
    assert names == [f"chain-{k:02d}" for k in range(1, 15)]
    lengths = {name: r.signal("features").data.shape for name, r in zip(names, recordings, strict=True)}
    assert sorted(lengths.values()) == [(2548, 4)] * 12 + [(2548, 10)] * 2
    emotions = pd.Series([r.meta["emotion"] for r in recordings])
    assert emotions.value_counts().to_dict() == {"negative": 6, "positive": 6, "neutral": 2}
    for r in recordings:
        signal = r.signal("features")
        assert (signal.sfreq, signal.unit, len(set(signal.ch_names))) == (2.0, "", 2548)
        assert np.array_equal(signal.data[1274:, :-1], signal.data[:1274, 1:])
        assert r.meta["subject"] == r.meta["session"] == r.meta["stimulus"] == "unknown"
        assert r.meta["recording"] == r.meta["trial"]
    windows = EmotionsCSV(folder).load().windows(0.5, modality="features")
    assert windows.X.shape == (68, 2548, 1)
    assert len(set(windows.ids())) == 68


def test_the_order_of_rows_and_the_names_of_columns_do_not_matter(folder):
    before = list(EmotionsCSV(folder).recordings())

    def renamed(table):
        table = table.sample(frac=1, random_state=0)
        return table.set_axis([*(f"column{k}" for k in range(2548)), "label"], axis=1)

    edit(folder, renamed)
    after = list(EmotionsCSV(folder).recordings())
    assert [r.meta for r in after] == [r.meta for r in before]
    for a, b in zip(after, before, strict=True):
        assert np.array_equal(a.signal("features").data, b.signal("features").data)


def test_blocks_are_told_by_name_where_they_are_interleaved(folder):
    def interleaved(table):
        order = np.arange(2548).reshape(2, 1274).T.reshape(-1)
        return table.iloc[:, [*order, 2548]]

    edit(folder, interleaved)
    assert len(list(EmotionsCSV(folder).recordings())) == 14


def test_names_that_collide_as_in_the_published_header_are_read(folder):
    text = (folder / FILE).read_text()
    head, body = text.split("\n", 1)
    head = head.replace("mean_q_", "mean_d_")
    assert len(set(head.split(","))) < 2549
    (folder / FILE).write_text(f"{head}\n{body}")
    assert len(list(EmotionsCSV(folder).recordings())) == 14


def test_check_says_how_far_the_chains_can_be_trusted(folder, words):
    edit(folder, lambda t: pd.concat([t, t.iloc[:3]]))
    text = "\n".join(map(str, EmotionsCSV(folder).check()))
    for expected in ("100.0% of the rows", "14 chains", "of 10 rows", "3 rows are copies", "neutral"):
        assert expected in text


@pytest.fixture
def unchained(folder):
    """Return the source after every number of the later blocks has changed a little in one column."""

    def noisy(table):
        column = table.columns[1274 + 600]
        return table.assign(**{column: np.random.default_rng(0).normal(size=len(table)).astype(str)})

    edit(folder, noisy)
    return EmotionsCSV(folder)


def test_a_table_that_cannot_be_chained_is_refused_by_honest_protocols(unchained, words):
    with pytest.warns(UserWarning, match=r"only 0\.0% of the rows have a neighbour"):
        samples = unchained.load().windows(0.5, modality="features").target("emotion")
    assert set(samples.meta["trial"]) == set(samples.meta["recording"]) == {"unchained"}
    assert len(set(samples.ids())) == len(samples) == 68
    for protocol in (RecordingSplit(2), TrialSplit(2), LeaveOneSubjectOut()):
        with pytest.raises(ProtocolError) as error:
            protocol.folds(samples.meta, samples.y)
        words(error.value, "'unchained' have several labels", "one label for each trial")
    assert len(RandomWindowSplit(5).folds(samples.meta, samples.y)) == 5
    assert "only leaky protocols" in "\n".join(map(str, unchained.check()))


def test_a_few_lost_rows_cost_links_and_not_the_source(folder):
    edit(folder, lambda t: t.drop(index=[5, 30]))
    with pytest.warns(UserWarning, match="more chains than the 14 recordings"):
        recordings = list(EmotionsCSV(folder).recordings())
    assert len(recordings) > 14
    assert any("pieces of one recording" in str(note) for note in EmotionsCSV(folder).check())
    assert sum(r.signal("features").data.shape[1] for r in recordings) == 66


DAMAGE = {
    "no label": (lambda t: t.rename(columns={"label": "Label"}), "no column 'label'"),
    "a column less": (lambda t: t.iloc[:, 1:], "2547 columns"),
    "a column more": (lambda t: t.assign(subject=1), "2549 columns"),
    "text": (lambda t: t.assign(fft_0_a=["loud", *t["fft_0_a"][1:]]), "line 2, column fft_0_a: 'loud'"),
    "gap": (lambda t: t.assign(fft_0_a=[*t["fft_0_a"][:-1], ""]), "line 69, column fft_0_a: 'nan'"),
    "infinite": (lambda t: t.assign(fft_0_a=["inf", *t["fft_0_a"][1:]]), "column fft_0_a: 'inf'"),
    "too large": (lambda t: t.assign(fft_0_a=["1e39", *t["fft_0_a"][1:]]), "column fft_0_a: '1e+39'"),
    "label": (lambda t: t.assign(label=["HAPPY", *t["label"][1:]]), "line 2: the label is 'HAPPY'"),
    "no rows": (lambda t: t.iloc[:0], "no rows"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_said_in_words(kind, folder, words):
    change, expected = DAMAGE[kind]
    edit(folder, change)
    with pytest.raises(DataError) as error:
        list(EmotionsCSV(folder).recordings())
    words(error.value, expected, "expected:")


def test_missing_and_empty_files_are_said_in_words(tmp_path):
    with pytest.raises(DataError, match=r"There is no .*emotions\.csv"):
        EmotionsCSV(tmp_path).check()
    (tmp_path / FILE).write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        EmotionsCSV(tmp_path).check()
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        EmotionsCSV(tmp_path).check()
