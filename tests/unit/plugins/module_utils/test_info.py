# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the _info modules show of an object, and what they never do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import entries

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.mark.parametrize("full", [False, True])
def test_the_manifest_that_kubectl_repeats_in_an_annotation_is_not_shown(full: bool) -> None:
    volumes = [{"name": "init", "cloudInitNoCloud": {"userData": "password: s3cret"}}]
    spec = {"runStrategy": "Always", "template": {"spec": {"volumes": volumes}}}
    annotations = {LAST_APPLIED: json.dumps({"spec": spec}), "team": "shop"}
    machine: dict[str, Any] = {"metadata": {"name": "a", "namespace": "n", "annotations": annotations}, "spec": spec}
    for shown in (entries.machine(machine, None, full=full), entries.instance(machine, full=full)):
        assert "s3cret" not in json.dumps(shown)
        assert shown["annotations"] == {LAST_APPLIED: "(hidden)", "team": "shop"}
