"""Checks of the simulator: that what was put in is found again, and nothing else.

Every number is computed from the signals, with its seeds and its goal beside it. Signs of the effects in the EEG are
taken from the difference to the same random numbers without any effect: they say what was put in, not what an analyst
would find. Signs in the body, heart rate, responses of the skin, faces of unseen people, voices of unseen speakers, and
honest and leaky accuracy are found as an analyst would. Pairing by label is a permutation within labels, so that its
correlation of 0 is what re-pairing does by construction; what is measured is that of the true pairing. At last,
independence of subjects.

    python benchmarks/simulator.py --out results/simulator.json      (some ten minutes on one core)
    python benchmarks/simulator.py --parts faces speech
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import stats
from scipy.ndimage import median_filter
from scipy.signal import butter, find_peaks, sosfiltfilt, welch
from sklearn.linear_model import RidgeCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline as chain
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

from thymos.evaluation.catalogue import PROTOCOLS
from thymos.evaluation.fit import fit_fold
from thymos.models.catalogue import MODELS
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.signals.spectral import DifferentialEntropy
from thymos.sources.simulate import eeg, physiology
from thymos.sources.simulate.eeg import AXES, BANDS, REGIONS, SimulatedEEG
from thymos.sources.simulate.faces import PRIOR, draw_emotions, flip_labels, identities, simulate_faces
from thymos.sources.simulate.latent import Experiment
from thymos.sources.simulate.multimodal import Simulated
from thymos.sources.simulate.physiology import Physiology
from thymos.sources.simulate.speech import PROFILES, speakers, synthesise
from thymos.training.pipeline import make_pipeline

CAP = eeg.MONTAGES["deap32"]
ELECTRODES = ("F3", "F4", "T7", "C3", "C4", "T8", "Pz", "Oz")


def spread(values) -> dict:
    """Return mean, SD and all values, rounded."""
    values = np.asarray(values, dtype=float)
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"mean": round(float(values.mean()), 4), "sd": sd and round(sd, 4), "values": values.round(4).tolist()}


# --- signs of the effects ------------------------------------------------------------------------------------------


def log_power(x: np.ndarray, sfreq: float = 128.0) -> np.ndarray:
    """Return log band power, shape (..., n_bands, n_channels)."""
    power = np.square(np.abs(np.fft.rfft(x * np.hanning(x.shape[-1]))))
    freqs = np.fft.rfftfreq(x.shape[-1], 1 / sfreq)
    return np.stack([np.log(power[..., (freqs >= low) & (freqs < high)].mean(-1)) for low, high in BANDS.values()], -2)


def body_measures(body: physiology.Body) -> dict[str, float]:
    """Return one number per quantity of ``physiology.EFFECTS``, from the signals; NaN without any response."""
    beats, pulse, breath = body.intervals, body.signal("bvp"), body.signal("resp")
    freqs, power = welch(breath.data[0], breath.sfreq, nperseg=breath.data.shape[1])
    window = (freqs > 0.1) & (freqs < 0.8)
    late, early = beats[:, 0] > 0.2 * body.seconds, beats[:, 0] < 5
    rises = skin_responses(body.signal("eda", 8.0))
    rate = 60 / beats[late, 1].mean()
    return {
        "heart_rate": rate,
        "deceleration": rate - 60 / beats[early, 1].mean(),
        "variability": np.log(np.diff(beats[late, 1]).std()),
        "pulse": np.log(pulse.data.std()),
        "resp_rate": np.log((freqs * power)[window].sum() / power[window].sum()),
        "resp_depth": np.log(breath.data.std()),
        "scr_rate": np.log1p(len(rises)) if body.responsive else np.nan,
        "scr_size": np.log(rises.mean()) if len(rises) and body.responsive else np.nan,
        "temp": body.signal("temp").data.mean(dtype=float),
        "zygomaticus": np.log(body.signal("zygomaticus").data.std()),
        "trapezius": np.log(body.signal("trapezius").data.std()),
    }


def skin_responses(signal) -> np.ndarray:
    """Return the heights in S of rises steeper than 0.03 uS/s, of 0.03 uS at least."""
    x = signal.data[0].astype(float)
    slope = np.convolve(np.gradient(x) * signal.sfreq, np.ones(5) / 5, "same") > 0.03e-6
    edges = np.flatnonzero(np.diff(np.r_[False, slope, False]))
    heights = np.array([x[stop - 1] - x[start] for start, stop in edges.reshape(-1, 2)])
    return heights[heights > 0.03e-6]


def beats_of(signal) -> np.ndarray:
    """Return intervals in s between pulse peaks; those far from their neighbours are left out."""
    sos = butter(2, (0.5, 8), "bandpass", fs=signal.sfreq, output="sos")
    x = sosfiltfilt(sos, signal.data[0].astype(float))
    peaks, _ = find_peaks(x, distance=int(0.33 * signal.sfreq), prominence=0.3 * x.std())
    intervals = np.diff(peaks) / signal.sfreq
    local = median_filter(intervals, 9, mode="nearest")
    return intervals[(np.abs(intervals / local - 1) < 0.3) & (intervals > 0.33) & (intervals < 1.5)]


def signs(seed: int = 1) -> dict:
    """Recover the sign of every row of both tables at effect 3 over 12 subjects (one-sided p)."""
    parameters = {"subjects": 12, "trials": 40, "seconds": 6.0, "effect": 3.0, "artifacts": False, "random_state": seed}
    strong, null = (
        np.stack([log_power(r.signal("eeg").data) for r in SimulatedEEG(**parameters, null=n).recordings()])
        for n in (False, True)
    )
    experiment, rows = Experiment(12, 40, seed), []
    people = [experiment.subject(index) for index in range(12)]
    change = (strong - null).reshape(12, 40, len(BANDS), len(CAP))
    for band, regions, axis, size in eeg.EFFECTS:
        for region in regions:
            at, slopes = [CAP.index(name) for name in REGIONS[region]], []
            for power, person in zip(change[:, :, list(BANDS).index(band)], people, strict=True):
                felt = person.felt
                design = np.c_[felt, np.prod(1 - np.abs(felt), axis=1), np.ones(40)]
                slopes.append(np.linalg.lstsq(design, power[:, at].mean(axis=1), rcond=None)[0][AXES.index(axis)])
            rows.append({"quantity": f"{band} {region}", "axis": axis, **one_sided(slopes, size)})
    owner, measured = Physiology(seed, effect=3.0), []
    for index, person in enumerate(people):
        bodies = [owner.trial(index, k, 60.0, person.felt[k], person.intensity[k]) for k in range(40)]
        measured.append(pd.DataFrame([body_measures(body) for body in bodies]))
    for quantity, axis, size, _ in physiology.EFFECTS:
        slopes = []
        for table, person in zip(measured, people, strict=True):
            valence, arousal = person.felt.T
            amount = {"arousal": arousal, "negative": np.maximum(-valence, 0), "positive": np.maximum(valence, 0)}
            x = {**amount, "intensity": person.intensity}[axis]
            others = np.c_[arousal, valence, np.ones(40)] if axis != "arousal" else np.c_[valence, np.ones(40)]
            y, there = table[quantity].to_numpy(), table[quantity].notna().to_numpy()
            if there.sum() > 10:
                slopes.append(np.linalg.lstsq(np.c_[x, others][there], y[there], rcond=None)[0][0])
        rows.append({"quantity": quantity, "axis": axis, **one_sided(slopes, size)})
    worst = max(rows, key=lambda row: row["p"])
    return {"goal": "p < 0.01 for every row", "seed": seed, "met": worst["p"] < 0.01, "worst": worst, "rows": rows}


def one_sided(slopes, size: float) -> dict:
    """Test that slopes over subjects have the sign of `size`."""
    test = stats.ttest_1samp(np.multiply(slopes, np.sign(size)), 0, alternative="greater")
    return {"slope": round(float(np.mean(slopes)), 5), "subjects": len(slopes), "p": float(f"{test.pvalue:.3g}")}


# --- accuracies ----------------------------------------------------------------------------------------------------


def accuracy(protocol: str, seed: int, **parameters) -> float:
    """Return the balanced accuracy over windows of an RBF-SVM on differential entropy, all folds together."""
    data = {"subjects": 8, "trials": 24, "seconds": 8.0, "montage": ELECTRODES, "random_state": seed, **parameters}
    samples = SimulatedEEG(**data).load().windows(1.0)
    samples = samples.replace(y=np.where(samples.meta["felt_valence"] > 0, "high", "low"))
    row, spec = MODELS["svm"], PROTOCOLS[protocol]
    pipe = make_pipeline(DifferentialEntropy(128.0, "deap"), Flatten(), ChannelScaler(), row.load()(**row.parameters))
    within = {"within": "subject"} if protocol == "random_window" else {}
    made = [
        fit_fold(pipe, samples, fold, ["high", "low"]).predictions
        for fold in spec.load()(**{**spec.parameters, **within, "random_state": seed}).folds(samples.meta, samples.y)
    ]
    table = pd.concat(made, ignore_index=True)
    return balanced_accuracy_score(table["label"], np.where(table["p0"] > 0.5, "high", "low"))


def monotonicity(seeds: int = 3) -> dict:
    """Honest accuracy with the effect, leaky accuracy with the fingerprint where there is no effect."""
    honest = {d: spread([accuracy("trial", s, effect=d) for s in range(seeds)]) for d in (0.0, 1.0, 3.0, 6.0)}
    leaky = {
        f: spread([accuracy("random_window", s, null=True, fingerprint=f) for s in range(seeds)])
        for f in (0.0, 0.25, 0.5)
    }
    rising = [np.diff([row["mean"] for row in rows.values()]).min() > 0 for rows in (honest, leaky)]
    return {
        "goal": "both rise at every step; without an effect honest is at chance",
        "met": bool(all(rising) and abs(honest[0.0]["mean"] - 0.5) < 0.05),
        "model": "RBF-SVM on differential entropy, 8 subjects x 24 trials x 8 s, sign of felt valence",
        "chance": 0.5,
        "seeds": list(range(seeds)),
        "honest, by effect": honest,
        "leaky, by fingerprint at effect 0": leaky,
    }


# --- body, faces, voices -------------------------------------------------------------------------------------------


def heart_and_skin(n: int = 60, seed: int = 0) -> dict:
    """Heart rate from the peaks of the pulse, and the number of responses of the skin."""
    owner = Physiology(seed, slope_sd=0.0)
    felt = np.random.default_rng(seed).uniform(-1, 1, (n, 2))
    bodies = [owner.trial(index, 0, 60.0, f, 0.7) for index, f in enumerate(felt)]
    errors, rmssd = [], []
    for body in bodies:
        errors.append(60 / beats_of(body.signal("bvp", 128.0)).mean() - 60 / body.intervals[:, 1].mean())
        rmssd.append(1e3 * np.sqrt(np.square(np.diff(body.intervals[:, 1])).mean()))
    count = np.array([(body.responses[0] >= 0).sum() for body in bodies])
    expected = 3 * 2 ** felt[:, 1]
    alive = np.array([body.responsive for body in bodies])
    seen = np.array([len(skin_responses(body.signal("eda", 8.0))) for body in bodies])
    z = (count.sum() - expected.sum()) / np.sqrt(expected.sum())
    return {
        "goal": "|error| < 1 bpm; count within 3 Poisson errors",
        "met": bool(np.abs(errors).max() < 1 and abs(z) < 3),
        "seed": seed,
        "trials": n,
        "largest error of the heart rate, bpm": round(float(np.abs(errors).max()), 3),
        "median RMSSD, ms": round(float(np.median(rmssd)), 1),
        "responses": int(count.sum()),
        "expected": round(float(expected.sum()), 1),
        "z": round(float(z), 2),
        "seen of those of responsive people": round(float(seen[alive].sum() / count[alive].sum()), 3),
        "seen in unresponsive people": int(seen[~alive].sum()),
        "unresponsive": int((~alive).sum()),
    }


class CNN(nn.Sequential):
    """Three convolutions and one hidden layer."""

    def __init__(self, n_classes: int):
        layers, before = [], 1
        for width in (32, 64, 128):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
            before = width
        hidden = [nn.Flatten(), nn.Dropout(0.3), nn.Linear(128 * 36, 256), nn.BatchNorm1d(256), nn.ReLU()]
        super().__init__(*layers, *hidden, nn.Linear(256, n_classes))


def faces(seeds: int = 2, epochs: int = 12, n_train: int = 4000, n_test: int = 1000) -> dict:
    """Train on 150 people, test on 40 others, at default difficulty."""
    names, runs, recalls = list(PRIOR), [], []
    for seed in range(seeds):
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        people = identities(190, seed)
        who = np.r_[rng.integers(0, 150, n_train), rng.integers(150, 190, n_test)]
        truth = draw_emotions(n_train + n_test, seed)
        X = simulate_faces(truth, people[who], random_state=seed).astype(np.float32)[:, None] / 255
        X, y = torch.from_numpy(X), torch.tensor([names.index(name) for name in flip_labels(truth, seed)])
        right = torch.tensor([names.index(name) for name in truth])
        model = CNN(len(names))
        optimiser = torch.optim.Adam(model.parameters(), 1e-3)
        for _ in range(epochs):
            model.train()
            for batch in torch.randperm(n_train).split(64):
                flip = torch.rand(len(batch)) < 0.5
                x = X[batch]
                x[flip] = x[flip].flip(-1)
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(x), y[batch]).backward()
                optimiser.step()
        model.eval()
        with torch.inference_mode():
            made = torch.cat([model(part) for part in X[n_train:].split(250)]).argmax(1)
        runs.append(((made == y[n_train:]).float().mean().item(), (made == right[n_train:]).float().mean().item()))
        recalls.append([(made == k)[right[n_train:] == k].float().mean().item() for k in range(len(names))])
    noisy, clean = np.transpose(runs)
    return {
        "goal": "accuracy > 0.6 on unseen people",
        "met": bool(noisy.mean() > 0.6),
        "seeds": list(range(seeds)),
        "train": n_train,
        "test": n_test,
        "epochs": epochs,
        "accuracy on labels as given": spread(noisy),
        "accuracy on true emotions": spread(clean),
        "share of the largest class": round(max(PRIOR.values()), 3),
        "mean recall": spread(np.mean(recalls, axis=1)),
        "recall": dict(zip(names, np.mean(recalls, axis=0).round(3).tolist(), strict=True)),
    }


def prosody(x: np.ndarray, sfreq: float = 16_000.0) -> list[float]:
    """Return 16 features of pitch, level, time and spectrum."""
    size = int(0.04 * sfreq)
    cut = np.asarray(x, dtype=float)[: len(x) // size * size].reshape(-1, size)
    rms = np.sqrt(np.square(cut).mean(axis=1))
    said = rms > 0.2 * rms.max()
    voiced = cut[said] - cut[said].mean(axis=1, keepdims=True)
    power = np.square(np.abs(np.fft.rfft(voiced, 2 * size)))
    r = np.fft.irfft(power)[:, :size] / (1 - np.arange(size) / size)
    low, high = int(sfreq / 600), int(sfreq / 70)
    peak = r[:, low:high].max(axis=1) / r[:, 0]
    semitones = 12 * np.log2(sfreq / (low + r[:, low:high].argmax(axis=1)) / 100)
    freqs = np.fft.rfftfreq(2 * size, 1 / sfreq)
    total = power.mean(axis=0)
    share = [np.log(total[(freqs >= a) & (freqs < b)].mean()) for a, b in ((100, 800), (800, 2000), (2000, 4000))]
    top, level, end = np.log(total[freqs > 5000].mean()), 20 * np.log10(rms[said]), semitones[-6:]
    return [
        *np.quantile(semitones, (0.1, 0.5, 0.9)),
        semitones.std(),
        np.median(end) - np.median(semitones),
        end[-3:].mean() - end[:3].mean(),
        *np.quantile(level, (0.1, 0.5, 0.9)),
        len(x) / sfreq,
        said.mean(),
        peak.mean(),
        share[1] - share[0],
        share[2] - share[0],
        top - share[0],
        np.abs(np.diff(semitones)).mean(),
    ]


def speech(seeds: int = 3) -> dict:
    """Train on 16 voices, test on 8 others; as in RAVDESS half of the utterances are at half intensity."""
    rows = []
    for seed in range(seeds):
        voices = speakers(24, seed)
        design = [
            (v, e, i, s, repeat)
            for v in range(24)
            for e in PROFILES
            for i in ((1.0,) if e == "neutral" else (0.5, 1.0))
            for s in (0, 1)
            for repeat in (0, 1)
        ]
        X = np.array(
            [prosody(synthesise(e, voices[v], i, s, 1000 * seed + n)) for n, (v, e, i, s, _) in enumerate(design)]
        )
        y, who = np.array([d[1] for d in design]), np.array([d[0] for d in design])
        full = np.array([d[2] == 1 for d in design])
        found = {"all": [], "full intensity": []}
        for test in (who % 6 < 2, (who % 6 >= 2) & (who % 6 < 4), who % 6 >= 4):  # eight voices each, of both kinds
            for name, use in (("all", full | True), ("full intensity", full)):
                model = chain(StandardScaler(), SVC(C=10)).fit(X[use & ~test], y[use & ~test])
                found[name].append((model.predict(X[use & test]) == y[use & test]).mean())
        rows.append({name: np.mean(values) for name, values in found.items()})
    table = pd.DataFrame(rows)
    return {
        "goal": "accuracy > 0.6 on unseen speakers",
        "met": bool(table["all"].mean() > 0.6),
        "seeds": list(range(seeds)),
        "chance": 0.125,
        "model": "RBF-SVM, 16 features, three folds of eight voices",
        **{f"accuracy, {name}": spread(table[name]) for name in table},
    }


# --- pairing and independence --------------------------------------------------------------------------------------


_PAIRED = 16.0  # s


def pairing(effect: float = 1.0, seed: int = 0, subjects: int = 50, trials: int = 20) -> dict:
    """Correlate what two modalities say of the intensity within one emotion, truly paired and paired by label."""
    source = Simulated(subjects, trials, _PAIRED, effect=effect, random_state=seed, frame_rate=0.25)
    blocks, labels, truth = {name: [] for name in ("face", "speech", "body")}, [], []
    for (index, k, meta, felt), r in zip(source.experiment.trials_of("x"), source.recordings(), strict=True):
        film = r.signal("face").data[:, 0].astype(float)
        body = source.physiology.trial(index, k, _PAIRED, felt.felt[k], felt.intensity[k])
        measures = body_measures(body)
        voice = synthesise_features(r.signal("speech"))
        blocks["face"].append([np.log(np.abs(film[1:] - film[0]).mean()), np.log(np.abs(film[1:] - film[0]).max())])
        blocks["speech"].append(voice)
        blocks["body"].append([np.nan_to_num(value) for value in measures.values()])
        labels.append(meta["subject"])
        truth.append((felt.emotion[k], felt.intensity[k]))
    emotion, intensity = np.array([t[0] for t in truth]), np.array([t[1] for t in truth])
    who = np.array(labels)
    train = np.isin(who, np.unique(who)[::2])
    said = {}
    for name, rows in blocks.items():
        x = np.array(rows, dtype=float)
        for person in np.unique(who):  # everyone has a rest of their own
            own = who == person
            x[own] = (x[own] - x[own].mean(axis=0)) / (x[own].std(axis=0) + 1e-9)
        residual = np.full(len(x), np.nan)
        for label in set(emotion) - {"neutral"}:  # which shows nothing
            fit, use = train & (emotion == label), ~train & (emotion == label)
            model = RidgeCV(np.logspace(-1, 4, 11)).fit(x[fit], intensity[fit])
            residual[use] = model.predict(x[use])
            residual[use] -= residual[use].mean()
        said[name] = residual
    there = np.isfinite(said["face"])
    rng, rows = np.random.default_rng(seed), {}
    names = list(said)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            r = np.corrcoef(said[a][there], said[b][there])[0, 1]
            again = []
            for _ in range(200):
                shuffled = said[b].copy()
                for label in set(emotion[there]):
                    at = np.flatnonzero(there & (emotion == label))
                    shuffled[at] = shuffled[rng.permutation(at)]
                again.append(np.corrcoef(said[a][there], shuffled[there])[0, 1])
            p = (1 + np.sum(np.array(again) >= r)) / 201
            rows[f"{a} - {b}"] = {
                "true": round(float(r), 3),
                "by label": round(float(np.mean(again)), 4),
                "by label, sd": round(float(np.std(again)), 3),
                "p": round(float(p), 4),
            }
    means = [row["by label"] for row in rows.values()]
    return {
        "goal": "face and voice: true > 0 (p < 0.05); by label 0 for all",
        "met": bool(rows["face - speech"]["p"] < 0.05 and np.abs(means).max() < 0.02),
        "effect": effect,
        "seed": seed,
        "trials of unseen people": int(there.sum()),
        "with the true intensity": {
            name: round(float(np.corrcoef(values[there], intensity[there])[0, 1]), 3) for name, values in said.items()
        },
        "correlations": rows,
    }


def synthesise_features(signal) -> list[float]:
    """Return prosody without what depends on where the recording was cut."""
    features = prosody(signal.data[0], signal.sfreq)
    return [value for place, value in enumerate(features) if place not in (4, 5, 9)]


def independence(seed: int = 0, n: int = 12) -> dict:
    """Correlate the signals of different subjects in the same trial."""
    source = Simulated(n, 2, 60.0, random_state=seed, artifacts=False)
    wanted, rows = {"eeg": CAP.index("Cz"), "ecg": 0, "bvp": 0, "resp": 0, "emg": 0, "speech": 0}, {}
    signals = {name: [] for name in wanted}
    for r in source.recordings():
        if r.meta["trial"].endswith("t01"):
            for name, channel in wanted.items():
                signals[name].append(r.signal(name).data[channel].astype(float))
    for name, x in signals.items():
        r = np.corrcoef(x)[np.triu_indices(n, 1)]
        rows[name] = {"mean r": round(float(r.mean()), 4), "se": round(float(r.std() / np.sqrt(n)), 4)}
    worst = max(abs(row["mean r"]) / row["se"] for row in rows.values())
    return {"goal": "|mean r| < 3 SE", "met": worst < 3, "seed": seed, "subjects": n, "signals": rows}


PARTS = {
    "signs": signs,
    "monotonicity": monotonicity,
    "heart_and_skin": heart_and_skin,
    "faces": faces,
    "speech": speech,
    "pairing": pairing,
    "independence": independence,
}


def main() -> None:
    """Run the parts and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/simulator.json"))
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(arguments.threads)
    kept = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    kept |= {"command": "python benchmarks/simulator.py", "data": "simulated", "threads": arguments.threads}
    for name in arguments.parts:
        begin = time.perf_counter()
        result = PARTS[name]()
        kept[name] = {"seconds": round(time.perf_counter() - begin, 1), "result": result}
        met = [part["met"] for part in (result if isinstance(result, list) else [result])]
        print(f"{name:<16}{kept[name]['seconds']:>7} s   {'met' if all(met) else 'NOT MET'}", flush=True)
        arguments.out.write_text(json.dumps(kept, indent=1, default=lambda value: value.item()) + "\n")


if __name__ == "__main__":
    main()
