# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module does the same way: all faults at once, the client, one shape of result, no secret in any of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Callable, NoReturn

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.validation import check_type_dict
from ansible.module_utils.errors import UnsupportedError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth, redaction
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec, Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.transport import HAS_URLLIB3

_MOST_WORKERS = 64
# What YAML's reader makes, in words of YAML.
_KINDS = {str: "text", list: "a list", int: "a number", float: "a number", bool: "true or false", type(None): "nothing"}

Check = Callable[[Mapping[str, Any]], Iterable[str]]


class Module(AnsibleModule):
    """AnsibleModule that names all faults of the parameters at once and keeps secrets out of results and logs.

    check: finds faults that an argument spec cannot express; connects: whether the parameters ask the API server for
    anything, which all do by default that can.
    """

    def __init__(
        self,
        spec: ArgumentSpec,
        *,
        check: Check | None = None,
        connects: Callable[[Mapping[str, Any]], bool] = lambda _params: True,
        supports_check_mode: bool = True,
    ) -> None:
        self._spec = spec
        self._check = check
        self._connects = connects
        self.connection: auth.Connection | None = None
        # The parameters are kept out of the system's log: a free `spec` may hold user data.
        super().__init__(**spec.to_kwargs(), supports_check_mode=supports_check_mode, no_log=True)
        self._forget_harmless_values()
        faults = list(self._faults())
        if faults:
            self.fail_with(InputError(faults))

    def _set_internal_properties(self, *args: Any, **kwargs: Any) -> None:
        """AnsibleModule's step between reading the parameters and validating them, which breaks off at a wrong shape."""
        super()._set_internal_properties(*args, **kwargs)
        if well_shaped(self.params, self._spec.options)[1]:
            self.fail_with(InputError([*explain(self._spec, self.params), *self._faults_besides()]))

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        """AnsibleModule's own complaints about parameters come here too; they are completed to all faults."""
        found = getattr(self, "validation_result", None)
        if found is not None and found.error_messages and "error" not in kwargs:
            self._forget_harmless_values()
            error = InputError([*explain(self._spec, self.params), *self._faults_besides()])
            msg, kwargs["error"] = str(error), error.as_dict()
        kwargs.setdefault("invocation", self._invocation())
        super().fail_json(msg, **kwargs)
        raise AssertionError("fail_json ends the module")

    def exit_json(self, **kwargs: Any) -> NoReturn:
        """As AnsibleModule's, with an invocation that holds no secrets."""
        kwargs.setdefault("invocation", self._invocation())
        super().exit_json(**kwargs)
        raise AssertionError("exit_json ends the module")

    def fail_with(self, error: HaError, **result: Any) -> NoReturn:
        """Fails with the shape that all errors of the collection have."""
        self.fail_json(str(error), error=error.as_dict(), **result)

    def _invocation(self) -> dict[str, Any]:
        """The parameters without secrets, and without the options that entries of lists do not have: of a thousand
        entries those are megabytes of nulls, which Ansible would carry, search for secrets and parse."""
        params = getattr(self, "params", {})
        given = {**params, **without_nulls(params, self._spec.options)}
        if "kubeconfig" in given:
            given["kubeconfig"] = redaction.hide_kubeconfig(given["kubeconfig"])
        return {"module_args": redaction.hide_secrets(given)}

    def _faults(self) -> Iterable[str]:
        workers = self.params.get("workers")
        if isinstance(workers, int) and not 1 <= workers <= _MOST_WORKERS:
            yield f"workers: {workers} must be from 1 to {_MOST_WORKERS}"
        timeout = self.params.get("wait_timeout")
        if isinstance(timeout, int) and timeout < 1:
            yield f"wait_timeout: {timeout} must be 1 second or more"
        if self._check:
            yield from self._check(self.params)
        if "kubeconfig" not in self.argument_spec or not self._connects(self.params):
            return
        if not HAS_URLLIB3:
            yield missing_required_lib("urllib3")
        else:
            try:
                self.connection = auth.resolve(self.params)
            except HaError as error:
                yield str(error).rstrip(".")

    def _faults_besides(self) -> list[str]:
        """The other faults of parameters that the argument spec refuses, as far as their types let them be found."""
        faults: list[str] = []
        try:
            faults.extend(self._faults())
        except (AttributeError, KeyError, TypeError, ValueError):
            return faults
        return faults

    def _forget_harmless_values(self) -> None:
        """A kubeconfig's path and names are no secrets: hiding them would blot out the same words everywhere."""
        kubeconfig = self.params.get("kubeconfig")
        self.no_log_values -= {text for _path, text in redaction.leaves(kubeconfig)}
        self.no_log_values |= redaction.kubeconfig_secrets(kubeconfig)


def run(module: Module, work: Callable[[Client], Mapping[str, Any]]) -> NoReturn:
    """Does a module's work with a client and ends the module; a result with `failure`, a HaError, fails it."""
    client = None
    try:
        workers = int(module.params.get("workers") or 1)
        client = Client(module.connection or auth.resolve(module.params), workers=workers)
        result = dict(work(client))
    except HaError as error:
        requests = client.requests.as_dict() if client else {"reads": 0, "writes": 0, "watches": 0}
        # What came of the writes is not known here; to say that nothing changed would be worse.
        module.fail_with(error, changed=requests["writes"] > 0, requests=requests)
    result["requests"] = client.requests.as_dict()
    client.close()
    end(module, result)


def end(module: Module, result: dict[str, Any]) -> NoReturn:
    """Ends the module with a result; one with `failure`, a HaError, fails it."""
    failure: HaError | None = result.pop("failure", None)
    if failure is not None:
        module.fail_with(failure, **result)
    module.exit_json(**result)


def explain(whole: ArgumentSpec, params: Mapping[str, Any]) -> list[str]:
    """All messages of an argument spec, each naming the entry of a list that it is about."""
    spec = whole.options
    lists = {key for key, option in spec.items() if option.get("elements") == "dict" and option.get("options")}
    outer = {key: _without_options(option) if key in lists else option for key, option in spec.items()}
    validator = ArgumentSpecValidator(**{**whole.to_kwargs(), "argument_spec": outer})
    given, faults = well_shaped(without_nulls(params, outer), outer)
    for key in sorted(lists & given.keys()):
        entries = given[key].split(",") if isinstance(given[key], str) else given[key]
        if isinstance(entries, list):
            faults += [_no_map(f"{key}[{index}]", entry) for index, entry in enumerate(entries) if not _is_map(entry)]
            given[key] = [entry for entry in entries if _is_map(entry)]
    faults += _complaints(validator, given, outer)
    for key in sorted(lists):
        entries = params.get(key)
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(entry, Mapping):
                label = f"{key}[{entry.get('name') or index}]"
                inner = spec[key]["options"]
                given, messages = well_shaped(without_nulls(entry, inner), inner)
                messages += _complaints(ArgumentSpecValidator(inner), given, inner)
                faults += [f"{label}: {message}" for message in messages]
    return faults


def _complaints(validator: ArgumentSpecValidator, given: Mapping[str, Any], spec: Mapping[str, Option]) -> list[str]:
    """What a validator says; of options that there are not, which one may have been meant."""
    result = validator.validate(given)
    found = [error.msg for error in result.errors if not isinstance(error, UnsupportedError)]
    for name in sorted(result.unsupported_parameters, key=str):
        path = name if isinstance(name, tuple) else (name,)
        known: Mapping[str, Option] = spec
        for part in path[:-1]:
            known = known.get(part, {}).get("options") or {}
        near = get_close_matches(str(path[-1]), known, 1)
        found.append(
            f"{'.'.join(map(str, path))}: there is no such option;"
            + (f" did you mean {near[0]}?" if near else f" there are {', '.join(sorted(known))}")
        )
    return found


def _no_map(place: str, value: Any) -> str:
    return f"{place}: must be a map of options, not {_KINDS.get(type(value), type(value).__name__)}"


def _is_map(value: Any) -> bool:
    """Whether Ansible takes a value for a map of options: JSON and key=value are, too."""
    if not isinstance(value, str):
        return isinstance(value, Mapping)
    try:
        check_type_dict(value)
    except TypeError:
        return False
    return True


def well_shaped(
    values: Mapping[str, Any], spec: Mapping[str, Option], where: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """The values without those that stand where options of their own belong and are no map, and a fault for each of those.

    Ansible's validator breaks off at them with an error of Python's; a string it tries to read as a map.
    """
    kept: dict[str, Any] = {}
    faults: list[str] = []
    for key, value in values.items():
        inner = spec.get(key, {}).get("options")
        if not inner:
            kept[key] = value
            continue
        listed = isinstance(value, list) or (isinstance(value, str) and spec[key].get("type") == "list")
        entries = value if isinstance(value, list) else value.split(",") if listed else [value]
        places = [f"{where}{key}[{index}]" if listed else f"{where}{key}" for index in range(len(entries))]
        sound: list[Any] = []
        for place, entry in zip(places, entries):
            if isinstance(entry, Mapping):
                entry, more = well_shaped(entry, inner, f"{place}.")
                faults += more
            if _is_map(entry):
                sound.append(entry)
            else:
                faults.append(_no_map(place, entry))
        if listed:
            kept[key] = sound
        elif sound:
            kept[key] = sound[0]
    return kept, faults


def without_nulls(values: Mapping[str, Any], spec: Mapping[str, Option]) -> dict[str, Any]:
    """The options that were given: None stands for "not given" in an option, and for "remove" inside a free map."""
    given: dict[str, Any] = {}
    for key, value in values.items():
        if value is None:
            continue
        inner = spec.get(key, {}).get("options")
        if inner and isinstance(value, Mapping):
            value = without_nulls(value, inner)
        elif inner and isinstance(value, list):
            value = [without_nulls(entry, inner) if isinstance(entry, Mapping) else entry for entry in value]
        given[key] = value
    return given


def _without_options(option: Option) -> Option:
    return {key: value for key, value in option.items() if key != "options"}
