"""Thymos recognises human emotion from physiological signals, and says how far to believe it.

The package is divided into rooms, each imported on use::

    base        Recording, Samples, errors, random state, catalogue look-up
    signals     windows, filters, differential entropy, scaling
    sources     readers of corpora and the simulator
    models      classifiers behind the scikit-learn interface
    training    the training loop and the pipeline they share
    evaluation  protocols, metrics, audit, studies
    report      one HTML page from stored results
"""

__version__ = "0.1.0"
