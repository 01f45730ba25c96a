# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module does the same way: all faults at once, the client, one shape of result, no secret in any of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable, NoReturn

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth, redaction
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.parameters import explain, well_shaped, without_nulls
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.transport import HAS_URLLIB3

_MOST_WORKERS = 64

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
