"""The classifiers and regressors a study may name. A preset is a row with parameters of its own."""

from __future__ import annotations

from thymos.base.catalogue import Catalogue, Row

__all__ = ["MODELS"]

_STORHOLT = "Storholt et al. 2024, EEG emotion classification - LSTM and GRU models, Oslo Metropolitan University"
_GONG = "Gong et al. 2025, LEL, arXiv:2504.09156"
_HEGH = "Hegh et al. 2025, hybrid deep learning for emotion recognition from faces and physiology"
_ZHU = "Zhu et al. 2026, masked generative adversarial networks and neural architecture search, preprint"
_LEL = "thymos.models.lel:LELClassifier"
_RECURRENT = "thymos.models.recurrent:RecurrentClassifier"

MODELS = Catalogue(
    "model",
    {
        "face_cnn": Row(
            "thymos.models.face_cnn:FaceCNN",
            "three convolutions and a dense layer on photographs of faces",
            citation=_HEGH,
            parameters={"amp": True},
        ),
        "compact_face_cnn": Row(
            "thymos.models.face_cnn:FaceCNN",
            "residual blocks on photographs of faces, for two cores",
            parameters={
                **{"architecture": "compact", "dropout": 0.2, "zoom": 0.1, "mirrored": True, "amp": True},
                **{"lr": 4e-3, "weight_decay": 0.05, "schedule": "one_cycle", "label_smoothing": 0.1},
                **{"batch_size": 96, "max_epochs": 60, "patience": 60, "monitor": "accuracy"},
            },
        ),
        "speech_cnn": Row(
            "thymos.models.speech_cnn:SpeechCNN",
            "blocks of convolutions on log-mel spectrograms of speech",
            citation="spectrograms hidden in bands while training: Park et al. 2019, SpecAugment",
            parameters={
                **{"lr": 3e-3, "weight_decay": 1e-2, "schedule": "one_cycle", "amp": True},
                **{"max_epochs": 60, "patience": 60},
            },
        ),
        "speech_attention": Row(
            "thymos.models.speech_cnn:SpeechCNN",
            "convolutions, a GRU in both directions and attention on log-mel spectrograms of speech",
            citation="spectrograms hidden in bands while training: Park et al. 2019, SpecAugment",
            parameters={
                **{"architecture": "recurrent", "lr": 3e-3, "weight_decay": 1e-2, "schedule": "one_cycle"},
                **{"amp": True, "max_epochs": 60, "patience": 60},
            },
        ),
        "majority": Row("sklearn.dummy:DummyClassifier", "the commonest class", parameters={"strategy": "prior"}),
        "logistic_regression": Row(
            "sklearn.linear_model:LogisticRegression", "linear, L2-penalised", parameters={"max_iter": 2000}
        ),
        "lda": Row(
            "sklearn.discriminant_analysis:LinearDiscriminantAnalysis",
            "linear discriminant with Ledoit-Wolf shrinkage",
            citation="Blankertz et al. 2011",
            parameters={"solver": "lsqr", "shrinkage": "auto"},
        ),
        "svm": Row("thymos.models.svm:CalibratedSVC", "support vector machine, radial basis functions"),
        "random_forest": Row(
            "sklearn.ensemble:RandomForestClassifier", "200 randomised trees", parameters={"n_estimators": 200}
        ),
        "nearest_neighbour": Row(
            "sklearn.neighbors:KNeighborsClassifier",
            "the label of the nearest training sample; a detector of leaks",
            parameters={"n_neighbors": 1},
        ),
        "per_subject": Row("thymos.models.per_subject:PerSubject", "a copy of another classifier for each subject"),
        "gene_pruned": Row(
            "thymos.models.pruned:PrunedClassifier",
            "a network that loses connections or channels while it learns, regulated like genes, or by rivals",
            citation="Arato 2025, gene-network-inspired dynamic pruning and rewiring",
        ),
        "domain_aligned": Row(
            "thymos.models.aligned:DomainAlignedClassifier",
            "a network whose features are alike in all domains of training: CORAL or domain-adversarial",
            citation="Sun & Saenko 2016; Ganin et al. 2016",
        ),
        "eegnas": Row(
            "thymos.models.nas:EEGNASClassifier",
            "a network for EEG features whose cells are searched",
            citation=_ZHU,
        ),
        "personalised_search": Row(
            "thymos.models.nas:PersonalisedSearch",
            "a network for each subject, searched for all together first and then for each",
            citation=_ZHU,
        ),
        "mean": Row("sklearn.dummy:DummyRegressor", "the mean training rating", parameters={"strategy": "mean"}),
        "ridge": Row("sklearn.linear_model:Ridge", "ratings, linear, L2-penalised"),
        "svr": Row("sklearn.svm:SVR", "ratings from a support vector machine, radial basis functions"),
        "random_forest_regressor": Row(
            "sklearn.ensemble:RandomForestRegressor",
            "ratings from 200 randomised trees",
            parameters={"n_estimators": 200},
        ),
        "recurrent": Row(_RECURRENT, "RNN, LSTM or GRU over time", citation=_STORHOLT),
        "recurrent_regressor": Row(
            "thymos.models.recurrent:RecurrentRegressor",
            "ratings from an RNN, LSTM or GRU over time",
            citation=_STORHOLT,
        ),
        "lstm_single": Row(
            _RECURRENT,
            "the published LSTM: the whole feature vector as one step",
            citation=_STORHOLT,
            parameters={"cell": "lstm", "hidden": 50, "steps": "single", "single_bias": True, "clip": None},
        ),
        "gru_long": Row(
            _RECURRENT,
            "the published GRU: each value of the feature vector as one step, all states read; hours on a processor",
            citation=_STORHOLT,
            parameters={
                "cell": "gru",
                "hidden": 256,
                "readout": "all",
                "dropout": 0.0,
                "decay": 10.0,
                "clip": None,
                "monitor": "accuracy",
            },
        ),
        "rnn_time": Row(
            _RECURRENT,
            "a plain RNN, LSTM or GRU over real time; set the cell and an equal parameter count",
            citation=_STORHOLT,
            parameters={"decay": 10.0, "max_epochs": 60, "patience": 10, "clip": 1.0},
        ),
        "physio_lstm": Row(
            "thymos.models.physio:PhysioLSTM",
            "two LSTM layers on heart rate or pulse, with features of the heart rate beside them",
            citation=_HEGH,
        ),
        "physio_lstm_regressor": Row(
            "thymos.models.physio:PhysioLSTMRegressor",
            "ratings from two LSTM layers on heart rate or pulse",
            citation=_HEGH,
        ),
        "hybrid_fusion": Row(
            "thymos.models.fusion:HybridFusionClassifier",
            "several modalities: encoders joined by a network, or classifiers whose probabilities are combined",
            citation=_HEGH,
        ),
        "cnn_lstm": Row(
            "thymos.models.cnn_lstm:CNNLSTMClassifier", "convolutions over time that shorten it, then an LSTM"
        ),
        "knn": Row(
            "sklearn.neighbors:KNeighborsClassifier",
            "the vote of the five nearest training samples",
            parameters={"n_neighbors": 5},
        ),
        "decision_tree": Row("sklearn.tree:DecisionTreeClassifier", "a single tree, grown to the end"),
        "riemann": Row(
            "thymos.models.riemann:RiemannClassifier",
            "covariance of raw windows, tangent space, logistic regression",
            citation="Barachant et al. 2012",
        ),
        "mlp": Row("thymos.models.mlp:MLPClassifier", "two hidden layers on flattened features"),
        "dgcnn": Row(
            "thymos.models.dgcnn:DGCNNClassifier",
            "graph convolution over electrodes whose graph is learnt",
            citation="Song et al. 2018",
        ),
        "lggnet": Row(
            "thymos.models.lggnet:LGGNetClassifier",
            "power of learnt rhythms in regions of the brain, and a graph between these",
            citation="Ding et al. 2023",
        ),
        "transformer": Row(
            "thymos.models.transformer:TransformerClassifier",
            "self-attention between time steps",
            citation="Vaswani et al. 2017",
        ),
        "eegnet": Row(
            "thymos.models.eegnet:EEGNetClassifier",
            "EEGNet-8,2 on raw windows: filters over time, over space, and a separable convolution",
            citation="Lawhern et al. 2018, EEGNet, Journal of Neural Engineering 15, 056013",
        ),
        "shallow_convnet": Row(
            "thymos.models.convnets:ShallowConvNetClassifier",
            "log power in learnt bands at learnt places, from raw windows",
            citation="Schirrmeister et al. 2017, Human Brain Mapping 38, 5391-5420",
        ),
        "deep_convnet": Row(
            "thymos.models.convnets:DeepConvNetClassifier",
            "four blocks of convolution and max pooling on raw windows",
            citation="Schirrmeister et al. 2017, Human Brain Mapping 38, 5391-5420",
        ),
        "tsception": Row(
            "thymos.models.tsception:TSceptionClassifier",
            "filters of several lengths and one spatial filter for both hemispheres, on raw windows",
            citation="Ding et al. 2022, TSception, IEEE Transactions on Affective Computing",
        ),
        "fbcnet": Row(
            "thymos.models.fbcnet:FBCNetClassifier",
            "a fixed filter bank, spatial filters for each band and log variances, on raw windows",
            citation="Mane et al. 2021, FBCNet, arXiv:2104.01233",
        ),
        "lel": Row(
            _LEL, "four branches on raw windows with constrained layers, and their learnt fusion", citation=_GONG
        ),
        "lel_code": Row(
            _LEL,
            "LEL with the choices of its authors' programme, where these differ from the paper",
            citation=_GONG,
            parameters={
                **{f"bound_{name}": 10.0 for name in ("spectral", "attention", "affine", "linear")},
                **{"constraint": "code", "projections": "mlp", "scaling": "set", "graph": "fixed", "position": False},
                **{"logit_norm": 10.0, "fusion": "joint", "noise": 0.2, "dropout": 0.1, "hidden": None},
                **{"lr": 1e-3, "batch_size": 500},
            },
        ),
        "lel_certified": Row(
            _LEL, "LEL with a proven Lipschitz constant", citation=_GONG, parameters={"certified": True}
        ),
    },
)
