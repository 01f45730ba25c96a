# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the module `data_volume`: one volume by `name`, or many by `items` and `defaults`."""

from __future__ import annotations

import syslog
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    argspec,
    data_volume,
    data_volume_kind,
    data_volume_options,
    objects,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_state import Patience
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import Items
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import DATA_VOLUME

ITEMS = Items(
    "items",
    DATA_VOLUME,
    data_volume_options.options(),
    data_volume_options.faults,
    exclusive=data_volume_options.EXCLUSIVE,
    subdomain=True,
)


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    own = argspec.ArgumentSpec(
        {
            "upload_proxy_url": {"type": "str"},
            "upload_proxy_ca": {"type": "path"},
            "upload_retries": {"type": "int", "default": 3},
            "max_restarts": {"type": "int", "default": 3},
            "failure_grace": {"type": "int", "default": 60},
        }
    )
    return ITEMS.spec().merge(own, argspec.connection(), argspec.wait(), argspec.bulk())


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """All that is wrong with the parameters beyond their types."""
    yield from argspec.too_small(params, upload_retries=0, max_restarts=1, failure_grace=0)
    url = params.get("upload_proxy_url")
    if isinstance(url, str) and "://" in url and not url.startswith(("http://", "https://")):
        yield "upload_proxy_url: must begin with http:// or https://"
    yield from ITEMS.check(params)


def run_module(module: Module) -> None:
    """Carries out the module `data_volume`."""
    params, settings = module.params, objects.Settings.of(module)
    rules = data_volume.Rules(
        patience=Patience(params["max_restarts"], params["failure_grace"]),
        proxy_url=params["upload_proxy_url"],
        proxy_ca=params["upload_proxy_ca"],
        verify=params["validate_certs"] is not False,
        retries=params["upload_retries"],
    )

    def work(client: Client) -> Mapping[str, Any]:
        volumes = data_volume.apply(client, ITEMS.wanted(params), settings, rules, _report)
        done = [volume.done for volume in volumes]
        entries = [data_volume.result(volume) for volume in volumes]
        return objects.report(data_volume_kind.kind(), "data_volumes", entries, done, settings)

    run(module, work)


def _report(key: Key, text: str) -> None:
    """Progress, while the task runs: into the system's log, as Ansible shows nothing of a module before its end."""
    syslog.openlog("ansible-data_volume", 0, syslog.LOG_USER)
    syslog.syslog(syslog.LOG_INFO, f"{DATA_VOLUME.describe(*key)}: {text}")
