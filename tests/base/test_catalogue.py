import subprocess
import sys

import pytest

from thymos.base.catalogue import check_parameters, load_object, near, resolve
from thymos.base.errors import InputError, UnknownNameError
from thymos.base.optional import require
from thymos.base.random import child_seed, generator


def test_names_are_looked_up_exactly_and_near_ones_are_named(words):
    assert resolve("lda", "model").summary
    with pytest.raises(UnknownNameError) as error:
        resolve("LDA2", "model", "transformer")
    words(error.value, "'LDA2'", "expected: one of", "nearest_neighbour")
    with pytest.raises(UnknownNameError) as error:
        resolve("differential_entropie", "transformer")
    words(error.value, "Did you mean 'differential_entropy'?")


def test_a_prefix_is_no_match():
    with pytest.raises(UnknownNameError):
        resolve("muse", "source")


def test_addresses_are_imported_on_use(words):
    assert load_object("collections:OrderedDict").__name__ == "OrderedDict"
    assert resolve("collections:OrderedDict", "model").load().__name__ == "OrderedDict"
    with pytest.raises(UnknownNameError, match="cannot be found"):
        load_object("no_such_package.x:Y")
    with pytest.raises(UnknownNameError, match="has no 'Nothing'"):
        load_object("collections:Nothing")


def test_unknown_parameters_are_named_with_the_near_ones(words):
    def function(signal, low, high):
        pass

    check_parameters(function, ["low"], "f", skip=["signal"])
    with pytest.raises(InputError) as error:
        check_parameters(function, ["hihg"], "The process 'f'", skip=["signal"])
    words(error.value, "The process 'f' has no parameter 'hihg'", "'high'", "one of low, high")


def test_near_is_empty_for_something_else_entirely():
    assert near("zzz", ["alpha", "beta"]) == ""


def test_a_missing_extra_is_reported_with_its_install_line(words):
    with pytest.raises(ImportError) as error:
        require("no_such_module_at_all", "faces")
    words(error.value, "no_such_module_at_all", "pip install 'thymos[faces]'")


def test_children_are_named_not_counted():
    assert child_seed(0, "trial", "s1") == child_seed(0, "trial", "s1")
    seeds = {child_seed(s, *names) for s in range(3) for names in [("a", "b"), ("ab",), ("a", "c"), ("b", "a")]}
    assert len(seeds) == 12
    assert generator(1, "x").random() == generator(1, "x").random()


def test_children_do_not_depend_on_the_hash_seed():
    code = "from thymos.base.random import child_seed; print(child_seed(3, 'a', 7, 'ü'))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": h}, capture_output=True, text=True, check=True
        )
        for h in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout != ""
