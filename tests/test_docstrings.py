"""Who takes or returns arrays says what shape they have and what their numbers are."""

import importlib
import inspect
import pkgutil
import re

import pytest

import thymos

SHAPE = re.compile(r"\bshapes?\b|\((?:n_\w+|batch|n), |\(\.\.\., ")
#: A unit, or what numbers without one are.
UNIT = re.compile(
    r"\b(V|volts?|microvolts?|uV|S|microsiemens|Hz|s|seconds?|milliseconds?|ms|minutes?|bpm|beats|dB|degrees|"
    r"radians|"
    r"metres|"
    r"pixels?|bytes|bits|units?|per cent|"
    r"probabilit(?:y|ies)|logits?|log-\w+|labels?|codes?|class(?:es)?|ratings?|shares?|ratio|counts?|numbers? of|"
    r"rows|indices|"
    r"bool|booleans?|masks?|weights?|scores?|loss|correlations?|standardi[sz]ed|scaled|grey|uint8)\b"
)
LEAST = 0.8


def _modules():
    for info in pkgutil.walk_packages(thymos.__path__, "thymos."):
        if not info.name.rpartition(".")[2].startswith("_"):
            yield importlib.import_module(info.name)


def _arrays(function):
    """Say whether a function takes or returns an array, by its annotations."""
    return any(
        re.search(r"\bndarray\b|\bTensor\b", str(kind)) for kind in getattr(function, "__annotations__", {}).values()
    )


def _told(owner, name, function):
    """Return the docstring of a function with those of the methods that it overrides."""
    texts = [inspect.getdoc(function) or ""]
    if owner is not None:
        texts += [inspect.getdoc(vars(base)[name]) or "" for base in owner.__mro__[1:] if name in vars(base)]
        texts.append(inspect.getdoc(owner) or "")  # parameters of the class
    return "\n".join(texts)


def _public():
    """Yield name and docstring of every public function and method that takes or returns arrays."""
    for module in _modules():
        for name in getattr(module, "__all__", ()):
            member = getattr(module, name, None)
            if getattr(member, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(member) and _arrays(member):
                yield f"{module.__name__}.{name}", _told(None, name, member)
            elif inspect.isclass(member):
                for part, method in vars(member).items():
                    if inspect.isfunction(method) and not part.startswith("_") and _arrays(method):
                        yield f"{module.__name__}.{name}.{part}", _told(member, part, method)


@pytest.fixture(scope="module")
def documented():
    """Return name to docstring."""
    return dict(_public())


def test_most_docstrings_of_what_takes_arrays_say_shape_and_unit(documented):
    assert len(documented) > 300
    silent = sorted(name for name, text in documented.items() if not (SHAPE.search(text) and UNIT.search(text)))
    share = 1 - len(silent) / len(documented)
    assert share >= LEAST, f"{share:.0%} say it; these do not: {', '.join(silent)}"


def test_the_count_sees_what_is_missing():
    assert SHAPE.search("x : ndarray, shape (n, 3)")
    assert not SHAPE.search("x : ndarray\n    Values.")
    assert UNIT.search("in volts")
    assert not UNIT.search("Return the array.")
