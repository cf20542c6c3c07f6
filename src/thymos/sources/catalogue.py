"""The corpora Thymos reads and the data it can make."""

from __future__ import annotations

from dataclasses import replace

from thymos.base.catalogue import Catalogue
from thymos.base.labels import Label, Rule, ratings
from thymos.sources.base import SourceRow

__all__ = ["SOURCES"]


def names(pattern: str, first: int, last: int) -> tuple[str, ...]:
    """Return the names of consecutive subjects."""
    return tuple(pattern.format(number) for number in range(first, last + 1))


_PROTOTYPES = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
_SIGN = ("negative", "positive")
_SAME_CLIPS = "Every session shows the same 15 clips to everyone: a new session or person is not a new stimulus."
_SEED_EMOTION = Label("emotion", "stimulus", "what the clip was chosen for", ("negative", "neutral", "positive"))
_SEEDIV_EMOTION = Label("emotion", "stimulus", "what the clip was chosen for", ("neutral", "sad", "fear", "happy"))
_FACED_LABELS = (
    Label(
        "emotion",
        "stimulus",
        "what the clip was chosen for",
        (
            *("anger", "disgust", "fear", "sadness", "neutral", "amusement", "inspiration", "joy"),
            "tenderness",
        ),
    ),
    Label("polarity", "stimulus", "whether that emotion is pleasant", ("negative", "neutral", "positive")),
    Label(
        "felt_emotion",
        "self-report",
        "the emotion rated highest, if one is",
        ("anger", "disgust", "fear", "sadness", "amusement", "inspiration", "joy", "tenderness"),
    ),
    *ratings("self-report", (0, 7), 3.5, valence="how pleasant it was", arousal="how exciting it was"),
)

_LOOKS_AHEAD = "Smoothed over the whole trial, forwards and backwards: not possible in real time."

_SEED = SourceRow(
    "thymos.sources.seed:SEED",
    "EEG of 15 people in three sessions with the same 15 film clips, raw signals",
    citation=(
        "W.-L. Zheng, B.-L. Lu: Investigating Critical Frequency Bands and Channels for EEG-based Emotion "
        "Recognition with Deep Neural Networks. IEEE Transactions on Autonomous Mental Development 7 (3), "
        "2015, 162-175"
    ),
    licence="academic research, by signed agreement; no redistribution",
    obtain="apply to the BCMI laboratory of Shanghai Jiao Tong University",
    modalities=("eeg",),
    labels=(_SEED_EMOTION,),
    subjects=names("{:02d}", 1, 15),
    trials=675,
    folder="seed",
    cautions=(_SAME_CLIPS,),
)

_SEEDIV = SourceRow(
    "thymos.sources.seed:SEEDIV",
    "EEG of 15 people in three sessions with 24 film clips each, raw signals",
    citation=(
        "W.-L. Zheng, W. Liu, Y. Lu, B.-L. Lu, A. Cichocki: EmotionMeter: A Multimodal Framework for "
        "Recognizing Human Emotions. IEEE Transactions on Cybernetics 49 (3), 2019, 1110-1122"
    ),
    licence="academic research, by signed agreement; no redistribution",
    obtain="apply to the BCMI laboratory of Shanghai Jiao Tong University",
    modalities=("eeg",),
    labels=(_SEEDIV_EMOTION,),
    subjects=names("{:02d}", 1, 15),
    trials=1080,
    folder="seed-iv",
)

_FACED = SourceRow(
    "thymos.sources.faced:FACED",
    "EEG of 123 people watching 28 film clips of nine emotions, processed release",
    citation=("J. Chen et al.: A Large Finer-grained Affective Computing EEG Dataset. Scientific Data 10, 740, 2023"),
    licence="academic research, by agreement",
    obtain="register on the Synapse platform and ask for FACED",
    modalities=("eeg",),
    labels=_FACED_LABELS,
    subjects=names("sub{:03d}", 0, 122),
    trials=3444,
    folder="faced",
    cautions=(
        "What people said they felt is often another emotion than the clip's (the check counts how often): say "
        "which of the two is predicted.",
    ),
)

SOURCES = Catalogue(
    "source",
    {
        "muse-mental-state": SourceRow(
            "thymos.sources.muse:MuseMentalState",
            "4-electrode EEG (Muse headband) of four people in three mental states",
            citation=(
                "J. J. Bird, L. J. Manso, E. P. Ribeiro, A. Ekart, D. R. Faria: A Study on Mental State "
                "Classification using EEG-based Brain-Machine Interface. Intelligent Systems (IS), 2018, 795-800"
            ),
            licence="none stated by the publisher; research use with citation",
            obtain="the authors publish the csv files as example data beside their EEG feature generator",
            modalities=("eeg",),
            labels=(
                Label("state", "condition", "what the person was asked to do", ("concentrating", "neutral", "relaxed")),
            ),
            subjects=("a", "b", "c", "d"),
            trials=24,
            folder="muse-mental-state",
            cautions=(
                "The states are relaxed, neutral and concentrating: mental states, not emotions.",
                "The state is confounded with the recording day and with the contact of electrode AF8: for subjects "
                "a, b and d every 'concentrating' file was recorded two days later, with a bad contact at AF8. A "
                "model can score well without recognising any mental state.",
                "The subject letters are doubtful: some files of different letters follow each other within about "
                "ten seconds. Leaving one letter out may therefore not leave one person out.",
            ),
        ),
        "deap": SourceRow(
            "thymos.sources.deap:DEAP",
            "EEG, peripheral signals and faces of 32 people watching 40 music videos, preprocessed release",
            citation=(
                "S. Koelstra et al.: DEAP: A Database for Emotion Analysis using Physiological Signals. IEEE "
                "Transactions on Affective Computing 3 (1), 2012, 18-31"
            ),
            licence="academic research, by signed agreement; no redistribution",
            obtain="sign the end user licence agreement on the DEAP site of Queen Mary University of London",
            modalities=("eeg", "eog", "emg", "eda", "resp", "bvp", "temp", "face"),
            labels=ratings(
                "self-report",
                (1, 9),
                5,
                valence="how pleasant it was",
                arousal="how exciting it was",
                dominance="how much in control they were",
                liking="how much they liked the video",
            ),
            subjects=names("s{:02d}", 1, 32),
            trials=1280,
            folder="deap",
            cautions=(
                "Everyone saw the same 40 videos: a new person is not a new stimulus.",
                "Filtered from 4 to 45 Hz before publication: whatever is called delta there measures the filter.",
            ),
        ),
        "seed": _SEED,
        "seed-features": replace(
            _SEED,
            target="thymos.sources.seed:SEEDFeatures",
            summary="features published with SEED: entropies, powers and asymmetries per second",
            obtain=f"part of SEED, folder ExtractedFeatures: {_SEED.obtain}",
            modalities=("features",),
            cautions=(*_SEED.cautions, _LOOKS_AHEAD),
        ),
        "seed-iv": _SEEDIV,
        "seed-iv-features": replace(
            _SEEDIV,
            target="thymos.sources.seed:SEEDIVFeatures",
            summary="features published with SEED-IV: entropies and powers per 4 s",
            obtain=f"part of SEED-IV, folder eeg_feature_smooth: {_SEEDIV.obtain}",
            modalities=("features",),
            cautions=(_LOOKS_AHEAD,),
        ),
        "faced": _FACED,
        "faced-features": replace(
            _FACED,
            target="thymos.sources.faced:FACEDFeatures",
            summary="features published with FACED: entropies and powers per second",
            obtain=f"part of FACED, folder EEG_Features: {_FACED.obtain}",
            modalities=("features",),
            cautions=(
                *_FACED.cautions,
                "By a published audit these entropies correlate by about 0.55 only with entropies of the published "
                "signals: results on one of them say little about the other.",
            ),
        ),
        "eav": SourceRow(
            "thymos.sources.eav:EAV",
            "EEG, voice and video of 42 people in conversations with five emotions",
            citation=(
                "M.-H. Lee et al.: EAV: EEG-Audio-Video Dataset for Emotion Recognition in Conversational Contexts. "
                "Scientific Data 11, 1026, 2024"
            ),
            licence="CC BY 4.0 by the publication; check the terms of the repository",
            obtain="download from the repository named in the publication",
            modalities=("eeg", "speech", "face"),
            labels=(
                Label(
                    "emotion",
                    "condition",
                    "the emotion of the scripted conversation",
                    ("neutral", "sadness", "anger", "happiness", "calmness"),
                ),
                Label("task", "condition", "whether the person listened or spoke", ("listening", "speaking")),
            ),
            subjects=names("{:02d}", 1, 42),
            trials=8400,
            folder="eav",
            cautions=(
                "Turns come in blocks of one emotion: within a person, emotion and time are confounded.",
                "Everyone speaks the same scripted turns: a new person is not a new sentence.",
            ),
        ),
        "dreamer": SourceRow(
            "thymos.sources.dreamer:DREAMER",
            "EEG and ECG of 23 people watching 18 film clips, low-cost devices",
            citation=(
                "S. Katsigiannis, N. Ramzan: DREAMER: A Database for Emotion Recognition Through EEG and ECG Signals "
                "From Wireless Low-cost Off-the-Shelf Devices. IEEE Journal of Biomedical and Health Informatics 22 "
                "(1), 2018, 98-107"
            ),
            licence="academic research, by request",
            obtain="ask for access on the Zenodo record of DREAMER",
            modalities=("eeg", "ecg"),
            labels=(
                Label(
                    "emotion",
                    "stimulus",
                    "what the clip was chosen for",
                    (
                        *("amusement", "anger", "calmness", "disgust", "excitement", "fear", "happiness", "sadness"),
                        "surprise",
                    ),
                ),
                *ratings(
                    "self-report",
                    (1, 5),
                    3,
                    valence="how pleasant it was",
                    arousal="how exciting it was",
                    dominance="how much in control they were",
                ),
            ),
            subjects=names("{:02d}", 1, 23),
            trials=414,
            folder="dreamer",
        ),
        "amigos": SourceRow(
            "thymos.sources.amigos:AMIGOS",
            "EEG, ECG and skin conductance of 40 people watching short and long films, preprocessed release",
            citation=(
                "J. A. Miranda-Correa, M. K. Abadi, N. Sebe, I. Patras: AMIGOS: A Dataset for Affect, Personality and "
                "Mood Research on Individuals and Groups. IEEE Transactions on Affective Computing 12 (2), 2021, "
                "479-493"
            ),
            licence="academic research, by signed agreement; no redistribution",
            obtain="sign the end user licence agreement on the AMIGOS site of Queen Mary University of London",
            modalities=("eeg", "ecg", "eda"),
            labels=ratings(
                "self-report",
                (1, 9),
                5,
                valence="how pleasant it was",
                arousal="how exciting it was",
                dominance="how much in control they were",
                liking="how much they liked the film",
                familiarity="how well they knew the film",
            ),
            subjects=names("P{:02d}", 1, 40),
            folder="amigos",
            cautions=("Some films lack signals, ratings or values; they are left out and listed by the check.",),
        ),
        "mahnob": SourceRow(
            "thymos.sources.mahnob:MAHNOB",
            "EEG and peripheral signals of 27 people watching 20 film clips",
            citation=(
                "M. Soleymani, J. Lichtenauer, T. Pun, M. Pantic: A Multimodal Database for Affect Recognition and "
                "Implicit Tagging. IEEE Transactions on Affective Computing 3 (1), 2012, 42-55"
            ),
            licence="academic research, by signed agreement; no redistribution",
            obtain="sign the end user licence agreement on the MAHNOB databases' site of Imperial College London",
            modalities=("eeg", "ecg", "eda", "resp", "temp"),
            labels=(
                Label(
                    "emotion",
                    "self-report",
                    "the word they chose",
                    (
                        *("neutral", "anger", "disgust", "fear", "joy", "sadness", "surprise", "scream", "bored"),
                        *("sleepy", "unknown", "amusement", "anxiety"),
                    ),
                ),
                *ratings(
                    "self-report",
                    (1, 9),
                    5,
                    valence="how pleasant it was",
                    arousal="how exciting it was",
                    control="how much in control they were",
                    predictability="how predictable it was",
                ),
            ),
            subjects=tuple(name for name in names("{:02d}", 1, 30) if name not in ("12", "15")),
            folder="mahnob",
        ),
        "images": SourceRow(
            "thymos.sources.images:ImageFolder",
            "any folder or zip archive of face photographs, <class>/<file> or <part>/<class>/<file>",
            citation="your own photographs, or those of a corpus repackaged in folders of classes",
            licence="that of the photographs",
            obtain="put photographs into images/<class>/ or images/<part>/<class>/ (parts: train, val, test)",
            modalities=("face",),
            labels=(Label("emotion", "observer", "the folder that a photograph lies in"),),
            folder="images",
            cautions=(
                "Without subject_pattern nobody knows who is who: a person may be on both sides of any split.",
                "Nobody but their owner has checked what the folders say; look at what `thymos check` counts as "
                "copies.",
            ),
        ),
        "fer2013": SourceRow(
            "thymos.sources.fer2013:FER2013",
            "35,887 grey faces of 48 x 48 pixels found on the web, seven expressions",
            citation=(
                "I. J. Goodfellow et al.: Challenges in Representation Learning: A report on three machine learning "
                "contests. International Conference on Neural Information Processing (ICONIP), 2013"
            ),
            licence="data of the ICML 2013 challenge, research use; no rights in single photographs are given",
            obtain="fer2013.csv, icml_face_data.csv or the archive of folders from Kaggle, into a folder fer2013/",
            modalities=("face",),
            labels=(
                Label(
                    "emotion",
                    "observer",
                    "the word it was searched by, checked by people",
                    ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
                ),
            ),
            trials=35_887,
            folder="fer2013",
            cautions=(
                "Nobody knows who is who: a split by person is impossible, and one person may be on both sides.",
                "568 of the 7,178 photographs of validation and test have an exact copy in training, with another "
                "label in 16 cases; leave copies out before a test score is reported (`images: {alike: ...}` of a "
                "study, or `copies: drop_training`).",
                "Labels are noisy: 57 groups of equal photographs carry several of them. 'happy' alone is a quarter of "
                "all, 'disgust' 1.5 %: report balanced accuracy.",
            ),
        ),
        "affectnet": SourceRow(
            "thymos.sources.affectnet:AffectNet",
            "faces found on the web, eight expressions, valence and arousal",
            citation=(
                "A. Mollahosseini, B. Hasani, M. H. Mahoor: AffectNet: A Database for Facial Expression, Valence, and "
                "Arousal Computing in the Wild. IEEE Transactions on Affective Computing 10(1), 2019, 18-31"
            ),
            licence="on request, for research; no redistribution",
            obtain="ask its authors (Mohammad H. Mahoor, University of Denver) with a signed agreement",
            modalities=("face",),
            labels=(
                Label(
                    "expression",
                    "observer",
                    "what an annotator saw",
                    ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt"),
                ),
                Label("valence", "observer", "what an annotator saw", scale=(-1, 1), rule=Rule(0.0, names=_SIGN)),
                Label("arousal", "observer", "what an annotator saw", scale=(-1, 1), rule=Rule(0.0, names=_SIGN)),
            ),
            folder="affectnet",
            cautions=(
                "There is no public test part. A score on the validation part after tuning on it is no test score.",
                "Nobody knows who is who: a split by person is impossible.",
                "Most photographs were annotated by one person, and annotators agree moderately.",
            ),
        ),
        "ravdess": SourceRow(
            "thymos.sources.ravdess:RAVDESS",
            "24 actors speak (and sing) two sentences with eight emotions",
            citation=(
                "S. R. Livingstone, F. A. Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song "
                "(RAVDESS). PLoS ONE 13(5), 2018, e0196391"
            ),
            licence="CC BY-NC-SA 4.0",
            obtain="zenodo.org/records/1188976: Audio_Speech_Actors_01-24.zip, unpacked into a folder ravdess/",
            modalities=("speech", "face"),
            labels=(
                Label(
                    "emotion",
                    "acted",
                    "what the actor was asked to show",
                    ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
                ),
                Label("intensity", "acted", "how strongly it was to be shown", ("normal", "strong")),
            ),
            subjects=names("{:02d}", 1, 24),
            trials=1440,
            folder="ravdess",
            cautions=(
                "Acted: good results on it say little about what people show when they feel something.",
                "Loudness tells the emotion (median level from -30 dB angry to -49 dB calm): compare with a model "
                "that is given the level alone.",
                "Two sentences, each said again and again by each actor: a random split leaks the speaker; leave "
                "actors out.",
            ),
        ),
        "hku956": SourceRow(
            "thymos.sources.hku956:HKU956",
            "wrist physiology of 30 people listening to 592 songs, with ratings",
            citation=(
                "X. Hu, F. Li, R. Liu: Detecting Music-Induced Emotion Based on Acoustic Analysis and Physiological "
                "Sensing: A Multimodal Approach. Applied Sciences 12, 2022, 9354"
            ),
            licence="CC BY-NC 4.0",
            obtain="published by its authors (see the paper), into a folder hku956/",
            modalities=("bvp", "eda", "temp", "hr"),
            labels=(
                Label("valence", "self-report", "sign of the rating", _SIGN),
                Label("arousal", "self-report", "sign of the rating", _SIGN),
                Label("valence_rating", "self-report", "rating", scale=(-10, 10), rule=Rule(0.0, names=_SIGN)),
                Label("arousal_rating", "self-report", "rating", scale=(-10, 10), rule=Rule(0.0, names=_SIGN)),
            ),
            subjects=names("hku{}", 1903, 1932),
            trials=956,
            folder="hku956",
            cautions=(
                "34 records with a rating of exactly 0 are neither positive nor negative and are left out by default, "
                "and with them the whole of participant hku1916; zeros: keep calls them neutral.",
                "Most ratings are positive (68 % of valence, 60 % of arousal), and how many differs between people "
                "from 12 to 97 %: knowing the person beats chance. Report balanced accuracy, and leave people out.",
                "EDA of 11 records shows no contact with the skin; IBI covers about half of a record: take the "
                "variability of the heart rate from BVP.",
            ),
        ),
        "wesad": SourceRow(
            "thymos.sources.wesad:WESAD",
            "chest and wrist physiology of 15 people: baseline, stress, amusement, meditation",
            citation=(
                "P. Schmidt, A. Reiss, R. Duerichen, C. Marberger, K. Van Laerhoven: Introducing WESAD, a Multimodal "
                "Dataset for Wearable Stress and Affect Detection. International Conference on Multimodal Interaction "
                "(ICMI), 2018"
            ),
            licence="for scientific, non-commercial use with citation",
            obtain="archive.ics.uci.edu, WESAD; unpacked into a folder wesad/",
            modalities=(
                "ecg",
                "eda",
                "emg",
                "resp",
                "temp",
                "acc",
                "bvp",
                "wrist_eda",
                "wrist_temp",
                "wrist_acc",
            ),
            labels=(
                Label(
                    "condition",
                    "condition",
                    "what the person was put through",
                    ("amusement", "baseline", "meditation", "stress"),
                ),
            ),
            subjects=tuple(name for name in names("S{}", 2, 17) if name != "S12"),
            trials=75,
            folder="wesad",
            cautions=(
                "Each condition is one long block (meditation two): windows of one person on both sides of a split are "
                "windows of one trial. Leave people out.",
                "Condition goes with posture, speaking and the time of day: stress was standing and talking, baseline "
                "reading. A model may recognise these.",
            ),
        ),
        "manifest": SourceRow(
            "thymos.sources.manifest:Manifest",
            "own recordings, listed in a manifest (a csv file)",
            citation="own recordings; nothing is published with them",
            licence="your own",
            obtain="list your EDF, BDF, FIF, BrainVision, EEGLAB or csv files in a manifest: thymos init FOLDER",
            modalities=("eeg",),
            file="path",
            cautions=(
                "Own recordings: nobody but their owner has checked that labels, subjects and trials are what the "
                "manifest says. Whether a label goes with the day, the order of trials, the person or the stimulus is "
                "a question of the design; ask it before believing a number.",
            ),
        ),
        "emotions-csv": SourceRow(
            "thymos.sources.emotions:EmotionsCSV",
            "table of Muse features of two people watching film clips, its recordings rebuilt",
            citation=(
                "J. J. Bird, A. Ekart, C. D. Buckingham, D. R. Faria: Mental Emotional Sentiment Classification with "
                "an EEG-based Brain-machine Interface. Digital Image and Signal Processing (DISP), 2019"
            ),
            licence="none stated by the publisher; research use with citation",
            obtain="the authors publish emotions.csv on a platform for data sets; put it into a folder emotions/",
            modalities=("features",),
            labels=(Label("emotion", "stimulus", "what the clip was chosen for", ("negative", "neutral", "positive")),),
            folder="emotions",
            cautions=(
                "Two people were recorded and the table does not tell them apart: nothing measured on it says how "
                "well a new person is recognised.",
                "The table was published shuffled. Recordings are rebuilt from the halves that neighbouring rows "
                "share; a random split puts such neighbours on both sides.",
                "Emotion and recording are confounded: every clip is one recording of each person, neutral was "
                "recorded apart and without a clip, and the offset of an electrode is enough to know a recording. "
                "With fourteen recordings every interval is wide.",
                "The columns called 'fft' are no spectrum but sums over channels, sample by sample; 'covmat' is no "
                "covariance of channels. No statement about frequencies follows from them.",
            ),
        ),
        "simulated": SourceRow(
            "thymos.sources.simulate.multimodal:Simulated",
            "brain, body, face and voice of one felt emotion and one intensity per trial",
            citation="the embedded simulator; signs of the effects after the literature, sizes are parameters",
            licence="BSD-3-Clause, as Thymos",
            obtain="made on use, nothing to download",
            modalities=("eeg", "ecg", "bvp", "eda", "resp", "temp", "emg", "face", "speech"),
            labels=(
                *ratings(
                    "self-report",
                    (1, 9),
                    5,
                    valence="simulated rating",
                    arousal="simulated rating",
                    dominance="simulated rating",
                    liking="simulated rating",
                    familiarity="simulated rating",
                ),
                Label("emotion", "simulated", "the prototype nearest to what was felt", _PROTOTYPES),
                Label("meant_emotion", "simulated", "the prototype nearest to what the stimulus means", _PROTOTYPES),
            ),
            cautions=(
                "Simulated: spherical head, cartoon faces, vowel-like speech, linear effects. A good result shows that "
                "code and protocol work, never that a method recognises emotions in people.",
            ),
        ),
        "simulated-faces": SourceRow(
            "thymos.sources.simulate.photos:SimulatedFaces",
            "drawn faces of people in several domains, seven expressions",
            citation="the embedded simulator; expressions after Ekman & Friesen's action units",
            licence="BSD-3-Clause, as Thymos",
            obtain="made on use, nothing to download",
            modalities=("face",),
            labels=(Label("emotion", "simulated", "what is drawn, some of it under a wrong name", _PROTOTYPES),),
            cautions=(
                "Simulated: cartoon faces. A good result shows that code and protocol work, never that a method "
                "recognises emotions in people.",
            ),
        ),
        "digits": SourceRow(
            "thymos.sources.digits:Digits",
            "handwritten digits, no emotion: what a method does elsewhere",
            citation="E. Alpaydin, C. Kaynak: Cascading classifiers. Kybernetika 34 (4), 1998, 369-374",
            licence="CC BY 4.0 (UCI machine learning repository); comes with scikit-learn",
            obtain="comes with scikit-learn, nothing to download",
            modalities=("features",),
            labels=(Label("digit", "condition", "which digit was to be written", tuple("0123456789")),),
            subjects=("unknown",),
            trials=1797,
            cautions=(
                "Nobody says who wrote which digit: people are in training and test, and nothing measured here says "
                "how well a new hand is read.",
            ),
        ),
        "waveforms": SourceRow(
            "thymos.sources.simulate.waveforms:Waveforms",
            "sequences of three classes, no emotion, whose best possible accuracy is known",
            citation="L. Breiman, J. H. Friedman, R. A. Olshen, C. J. Stone: Classification and Regression Trees, 1984",
            licence="BSD-3-Clause, as Thymos",
            obtain="made on use, nothing to download",
            modalities=("features",),
            labels=(Label("kind", "simulated", "which two triangles are mixed", ("first", "second", "third")),),
            cautions=("Simulated, and about no people: sequences are drawn independently of each other.",),
        ),
        "simulated-eeg": SourceRow(
            "thymos.sources.simulate.eeg:SimulatedEEG",
            "EEG with a known emotional effect, trial fingerprints and a null mode",
            citation="the embedded simulator; signs of the effects after the literature, sizes are parameters",
            licence="BSD-3-Clause, as Thymos",
            obtain="made on use, nothing to download",
            modalities=("eeg",),
            labels=ratings("self-report", (1, 9), 5, valence="simulated rating", arousal="simulated rating"),
            cautions=(
                "Simulated: spherical head, radial sources, linear effects, no event-related structure. A good "
                "result shows that code and protocol work, never that a method recognises emotions in people.",
            ),
        ),
    },
)
