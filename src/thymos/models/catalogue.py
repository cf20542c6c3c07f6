"""The classifiers a study may name. A preset is a row with parameters of its own."""

from __future__ import annotations

from thymos.base.catalogue import Catalogue, Row

__all__ = ["MODELS"]

_STORHOLT = "Storholt et al. 2024, EEG emotion classification - LSTM and GRU models, Oslo Metropolitan University"
_RECURRENT = "thymos.models.recurrent:RecurrentClassifier"

MODELS = Catalogue(
    "model",
    {
        "majority": Row("sklearn.dummy:DummyClassifier", "the commonest class", parameters={"strategy": "prior"}),
        "logistic_regression": Row(
            "sklearn.linear_model:LogisticRegression", "linear, L2-penalised", parameters={"max_iter": 2000}
        ),
        "lda": Row(
            "sklearn.discriminant_analysis:LinearDiscriminantAnalysis",
            "linear discriminant with Ledoit-Wolf shrinkage",
            citation="Blankertz et al. 2011",
            parameters={"solver": "eigen", "shrinkage": "auto"},
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
        "recurrent": Row(_RECURRENT, "RNN, LSTM or GRU over time", citation=_STORHOLT),
        "lstm_single": Row(
            _RECURRENT,
            "the published LSTM: the whole feature vector as one step",
            citation=_STORHOLT,
            parameters={"cell": "lstm", "hidden": 50, "steps": "single", "single_bias": True, "clip": None},
        ),
        "rnn_time": Row(
            _RECURRENT,
            "a recurrence over real time; set the cell and an equal parameter count",
            citation=_STORHOLT,
            parameters={"decay": 10.0, "max_epochs": 60, "patience": 10, "clip": 1.0},
        ),
    },
)
