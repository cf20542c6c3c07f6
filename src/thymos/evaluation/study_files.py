"""Studies as files: YAML and what runs have stored, read, under a budget or some protocols, faults said in words."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from thymos.base.catalogue import near, resolve
from thymos.base.errors import DataError, StudyError, ThymosError
from thymos.evaluation.study import BUDGETS, STEPS, WORDS, Study, step_of

__all__ = ["load_study", "narrowed", "parse_study", "shipped_studies", "stored_study"]

_INSIDE = {"estimator", "sampler"}  # parameters that may be steps themselves
_BY_MODALITY = {"encoders"}  # parameters that may be steps for each modality


class _Loader(yaml.SafeLoader):
    """Safe loader that reads ``1e-3`` as a number, as YAML 1.2 does, and not as text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def shipped_studies() -> dict[str, Path]:
    """Return the studies that come with Thymos, name to file."""
    folder = resources.files("thymos") / "studies"
    return {
        p.name.removesuffix(".yaml"): Path(str(p))
        for p in sorted(cast("Iterable[Path]", folder.iterdir()), key=str)
        if p.suffix == ".yaml"
    }


def load_study(name: str | Path, budget: str | None = None, label: str | None = None) -> Study:
    """Read a shipped study by name, or a YAML file, under a budget.

    Parameters
    ----------
    name : str or path
        Name of a shipped study or path of a ``.yaml`` file.
    budget : {'tiny', 'quick', 'full'}, optional
        ``quick`` by default.
    label : str, optional
        Column of the metadata that is predicted instead of the study's, split by the same rule. It is another study,
        without the claims of this one.

    Raises
    ------
    StudyError
        If there is no such study or budget, or a key, name or value in it is wrong; near names are listed.
    """
    budget = budget or "quick"
    if budget not in BUDGETS:
        raise StudyError(f"There is no budget {budget!r}.{near(budget, BUDGETS)}", fits=", ".join(BUDGETS))
    path = Path(name)
    if path.suffix.lower() not in {".yaml", ".yml"}:
        shipped = shipped_studies()
        if str(name) not in shipped:
            raise StudyError(
                f"There is no study {str(name)!r}.{near(name, shipped)}",
                fits=f"one of {', '.join(shipped)}, or the path of a .yaml file",
            )
        path = shipped[str(name)]
    try:
        content = _Loader(path.read_text()).get_single_data()
    except FileNotFoundError:
        raise StudyError(f"There is no file {path}.", fits="a .yaml file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path} cannot be read as YAML: {error}", do="check its indentation and quotes") from None
    if not isinstance(content, dict):
        raise StudyError(f"{path} holds no keys.", fits="a study: name, title, source, windows, target, ...")
    content.pop("definitions", None)  # a place for YAML anchors
    if label is not None and isinstance(content.get("target"), dict) and label != content["target"].get("label"):
        content |= {"target": {**content["target"], "label": label}, "claims": []}
        content |= {key: f"{content.get(key)}{between}{label}" for key, between in (("name", "-"), ("title", ": "))}
    return parse_study({**content, "folder": str(path.absolute().parent)}, budget, str(path))


def parse_study(content: Mapping[str, Any], budget: str = "full", where: str = "the study") -> Study:
    """Check the content of a study under a budget; errors as :func:`load_study`."""
    plan: dict[str, Any] = copy.deepcopy(dict(content))
    budgets = plan.get("budgets")
    chosen = budgets.get(budget) if isinstance(budgets, dict) else None
    if budget == "brief" and chosen is None:
        raise StudyError(
            f"{where} has no budget {budget!r}, of about a minute.",
            fits="tiny, quick or full; the studies of `thymos reproduce --simulated` have it",
        )
    if isinstance(chosen, dict) and isinstance(chosen.get("changes") or {}, dict):  # else pydantic says what is wrong
        whole, plan = plan, _merge(plan, chosen.get("changes") or {})
        if all(isinstance(c.get(k) or {}, dict) for c in (whole, plan) for k in ("methods", "comparisons")):
            gone = {*(whole.get("methods") or ())} - {*(plan.get("methods") or ())}
            plan["comparisons"] = _rivals(plan.get("comparisons") or {}, gone)
        plan["reduces"] = chosen.get("reduces", "nothing")
        plan["reduced"] = dict(_reduced(chosen.get("changes") or {}, whole))
    plan["budget"] = budget
    _spread_defaults(plan, where)
    target = _with_default(plan)
    if plan.get("images") is not None:
        plan.setdefault("modality", "face")
    rating = isinstance(target, dict) and bool(target.get("rating"))
    if rating:
        plan.setdefault("metric", "ccc")
    if isinstance(plan.get("methods"), dict):  # no number stands without the majority class beside it
        name, title = ("mean", "Mean rating") if rating else ("majority", "Majority class")
        pick = {"modality": _first_modality(plan)}  # which of them is no matter
        if plan.get("missing_modality") == "keep":
            pick["lacking"] = "zeros"
        steps = [{"pick": pick}, name] if pick["modality"] else [name]
        plan["methods"] = {name: {"title": title, "steps": steps, "seeds": 1}, **plan["methods"]}
    try:
        return Study.model_validate(plan)
    except ValidationError as error:
        raise StudyError(
            f"{where} is not a valid study:\n" + "\n".join(f"    {_explain(e)}" for e in error.errors()),
            do="correct the keys named above; the shipped studies are examples",
        ) from None
    except ThymosError as error:
        raise StudyError(f"{where}: {error.came}", error.fits, error.do) from None


def _first_modality(content: Mapping[str, Any]) -> str:
    """Return the first of several modalities that the samples of a study have; empty where they are one array."""
    several, pairing = content.get("modalities"), content.get("pairing")
    if isinstance(several, dict) and several:
        return next(iter(several))
    if isinstance(pairing, dict):
        names = pairing.get("names")
        return str(names[0]) if isinstance(names, list) and names else "first"
    return "features" if content.get("keep_signals") is True else ""


def _spread_defaults(content: dict[str, Any], where: str) -> None:
    """Give the steps of all methods the parameters that ``defaults`` has under their names, below their own.

    A budget then changes what a model costs in one place, whatever the methods vary.
    """
    defaults = content.pop("defaults", {})
    if not isinstance(defaults, dict) or not all(isinstance(values, dict) for values in defaults.values()):
        raise StudyError(f"{where}: defaults are {defaults!r}.", fits="name of a step: {parameter: value}")
    for name in defaults:  # a budget may have left out the methods that use it
        try:
            resolve(name, *STEPS)
        except ThymosError as error:
            raise StudyError(f"{where}: defaults: {error.came}", error.fits, error.do) from None
    methods = content.get("methods")
    for method in methods.values() if isinstance(methods, dict) else ():
        steps = method.get("steps") if isinstance(method, dict) else None
        if isinstance(steps, list):
            method["steps"] = [_given(step, defaults) for step in steps]


def _given(step: Any, defaults: Mapping[str, dict]) -> Any:
    """Return a step, and the steps that are its parameters, with the defaults of their names."""
    named = step_of(step)
    if not isinstance(named, dict) or not isinstance(named.get("name"), str):
        return step
    own = named.get("parameters", {})
    if not isinstance(own, dict):
        return step
    own = {**defaults.get(named["name"], {}), **own}
    for key in _INSIDE & set(own):
        own[key] = _all_given(own[key], defaults)
    for key in _BY_MODALITY & set(own):
        if isinstance(own[key], dict):
            own[key] = {name: _all_given(inner, defaults) for name, inner in own[key].items()}
    return {"name": named["name"], "parameters": own} if own else step


def _all_given(steps: Any, defaults: Mapping[str, dict]) -> Any:
    return [_given(one, defaults) for one in steps] if isinstance(steps, list) else _given(steps, defaults)


def _with_default(content: dict[str, Any]) -> Any:
    """Return the target of a study; a rating that it does not split is split by the rule that its source declares."""
    target = content.get("target")
    if not isinstance(target, dict) or {"above", "at_least", "classes", "rating"} & set(target):
        return target
    source = step_of(content.get("source"))
    try:
        declared = cast(Any, resolve(source["name"], "source")).label(target["label"])
    except (ThymosError, AttributeError, KeyError, TypeError):
        return target  # what is wrong is said by the checks
    if declared is not None and declared.rule is not None:
        rule = declared.rule
        target = {**target, "at_least" if rule.inclusive else "above": rule.threshold, "default": True}
        content["target"] = target
    return target


def stored_study(results: Any) -> Study:
    """Return the study that a run was made of.

    Raises
    ------
    DataError
        If it cannot be read, or was written by a version with other keys.
    """
    content = results.read_facts("study", "study")["study"]
    try:
        return Study.model_validate(content)
    except (ValidationError, ThymosError) as error:
        reason = "; ".join(_explain(e) for e in error.errors()) if isinstance(error, ValidationError) else error.came
        raise DataError(
            f"The study in {results.folder} cannot be read by this version: {reason}",
            do="use the version named in its environment, or run the study again into a new folder",
        ) from None


def narrowed(study: Study, protocols: Collection[str]) -> Study:
    """Return a study under some of its protocols: methods, inspections, claims and figures of the others are left out.

    It is another study than the whole, so that its results have a folder of their own. A leaky protocol never stands
    alone: its honest twin comes with it, under which the baseline is computed and nothing else.

    Raises
    ------
    StudyError
        If there is no such protocol.
    """
    for name in protocols:
        if name not in study.protocols:
            raise StudyError(
                f"{study.name} has no protocol {name!r}.{near(name, study.protocols)}",
                fits=f"one of {', '.join(study.protocols)}",
            )
    content = study.model_dump(mode="json")
    twins = {spec.twin_of for name, spec in study.protocols.items() if name in protocols and spec.twin_of}
    content["protocols"] = {n: spec for n, spec in content["protocols"].items() if n in {*protocols, *twins}}
    parts = [part for name, part in content["methods"].items() if name != study.baseline]
    for part in (*parts, *content["inspections"].values()):
        if part["protocols"] is not None or twins - set(protocols):
            part["protocols"] = [n for n in part["protocols"] or study.protocols if n in protocols]
    for kind in ("methods", "inspections"):
        content[kind] = {name: part for name, part in content[kind].items() if part["protocols"] != []}
    methods = set(content["methods"])
    gone = set(study.methods) - methods
    for part in content["inspections"].values():
        part["methods"] = None if part["methods"] is None else [name for name in part["methods"] if name in methods]
    content["inspections"] = {name: part for name, part in content["inspections"].items() if part["methods"] != []}
    if content["permuted"] is not None:
        content["permuted"] = [name for name in content["permuted"] if name in methods]
    content["comparisons"] = _rivals(content["comparisons"], gone)
    content["claims"] = [
        c for c in content["claims"] if c["protocol"] in {"", *protocols} and c["method"] in {"", *methods}
    ]
    content["panels"] = [
        panel
        for panel in content["panels"]
        if panel["protocol"] in {"", *protocols}
        and methods >= set(panel["methods"].values() if isinstance(panel["methods"], dict) else panel["methods"])
    ]
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        reason = "; ".join(_explain(e) for e in error.errors())
        raise StudyError(f"{study.name} under {', '.join(protocols)} alone: {reason}") from None


def _rivals(comparisons: Mapping[str, Any], gone: Collection[str]) -> dict[str, Any]:
    """Return the planned comparisons without those of methods that are gone."""
    left = {
        name: [rival for rival in rivals if rival not in gone] if isinstance(rivals, list) else rivals
        for name, rivals in comparisons.items()
        if name not in gone
    }
    return {name: rivals for name, rivals in left.items() if rivals or not comparisons[name]}


def _merge(base: dict, changes: Mapping) -> dict:
    """Return `base` with nested keys changed; ``null`` removes a key."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = _merge(result[key], value)
        else:
            result[key] = value
    return result


def _reduced(changes: Mapping, base: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield each key that a budget changes, words left out, and its value, in brackets that of the whole study."""
    for key, value in changes.items():
        if key in WORDS:
            continue
        name, old = f"{where}{key}", base.get(key) if isinstance(base, Mapping) else None
        if isinstance(value, Mapping) and (isinstance(old, Mapping) or (value and old is None)):
            yield from _reduced(value, old, f"{name}.")
        elif value != old or value is None:
            said = "left out" if value is None else json.dumps(value, default=str)
            yield name, said if old is None or value is None else f"{said} ({json.dumps(old, default=str)})"


def _explain(error: Mapping[str, Any]) -> str:
    """Say one pydantic error in words, with the near keys for an unknown one."""
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key.{near(error['loc'][-1], _fields(error['loc'][:-1]))}"
    if error["type"] == "missing":
        return f"{place}: this key is required."
    message = error["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _fields(place: tuple) -> list[str]:
    """Return the keys allowed at a place of the study."""
    model: Any = Study
    for part in (p for p in place if p in getattr(model, "model_fields", {})):
        annotation = model.model_fields[part].annotation
        inner = [a for a in (annotation, *getattr(annotation, "__args__", ())) if hasattr(a, "model_fields")]
        model = inner[0] if inner else model
    return list(model.model_fields)
