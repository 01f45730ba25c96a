# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From which versions `kubernetes_version` may follow, and which KubeVirt it must go with."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader

from .kubernetes_role import ROLE, value


def fault(running: str, wanted: str, *, upgrading: bool = True) -> str:
    """Why a host with these versions cannot have the one that is wanted."""
    given = {"__kubernetes_running": running.split(), "kubernetes_version": wanted, "__kubernetes_upgrading": upgrading}
    return str(value("__kubernetes_skew", **given))


@pytest.mark.parametrize(
    ("running", "wanted"),
    [
        ("", "1.34.4"),
        ("1.34.4 1.34.4", "1.34.4"),
        ("1.34.4", "1.34.10"),
        ("1.34.4 1.34.9", "1.35.0"),
        ("1.9.1", "1.10.0"),
    ],
)
def test_nothing_a_patch_and_one_minor_up_are_no_fault(running: str, wanted: str) -> None:
    assert fault(running, wanted) == ""


@pytest.mark.parametrize("running", ["1.34.10", "1.34.4 1.35.0"])
def test_a_version_below_one_that_runs_is_a_fault(running: str) -> None:
    newest = running.split()[-1]
    assert f"is older than {newest}, which runs here" in fault(running, "1.34.9")
    assert f"set {newest} or newer" in fault(running, "1.34.9")


def test_two_minors_up_are_a_fault_that_names_the_next() -> None:
    assert fault("1.33.7", "1.35.0") == "is 2 minor versions above 1.33.7, which runs here: set a version 1.34 first"


def test_only_an_upgrade_may_change_the_version() -> None:
    assert fault("1.34.4", "1.34.4", upgrading=False) == ""
    assert "run the playbook virtops.kubevirt_ha.upgrade" in fault("1.34.4", "1.34.5", upgrading=False)


BEAR = {"failCgroupV1": False}


@pytest.mark.parametrize(
    ("version", "kubelet", "ignored", "bears"),
    [
        ("1.34.4", {}, [], True),
        ("1.35.4", {}, [], False),
        ("1.35.4", BEAR, [], False),
        ("1.35.4", {}, ["SystemVerification"], False),
        ("1.35.4", BEAR, ["SystemVerification"], True),
        ("1.36.0", BEAR, ["all"], True),
    ],
)
def test_old_cgroups_are_borne_where_kubelet_and_kubeadm_are_told_to(
    version: str, kubelet: dict[str, Any], ignored: list[str], bears: bool
) -> None:
    given = {
        "kubernetes_version": version,
        "kubernetes_kubelet_overrides": kubelet,
        "kubernetes_ignore_preflight_errors": ignored,
    }
    assert value("__kubernetes_bears_old_cgroups", **given) is bears


def task_vars(file: str, name: str) -> dict[str, Any]:
    """The variables of a task."""
    tasks = DataLoader().load_from_file(str(ROLE / "tasks" / file), trusted_as_template=True)
    found: dict[str, Any] = next(task for task in tasks if task["name"] == name)["vars"]
    return found


def untested(**given: Any) -> list[str]:
    """What an installation says of versions that are in no row."""
    return list(value("__kubernetes_untested", **task_vars("inventory.yml", "Find faults of the inventory"), **given))


def mismatch(wanted: str, answer: dict[str, Any], **given: Any) -> list[str]:
    """What an upgrade says of the KubeVirt that runs, by the cluster's answer."""
    own = task_vars("upgrade_preflight.yml", "Stop on any fault")
    known = {"kubernetes_version": wanted, "__kubernetes_kubevirt": answer, "__kubernetes_inventory_faults": []}
    return list(value("__kubernetes_mismatch", **own, **known, **given))


def runs(kubevirt: str) -> dict[str, Any]:
    return {"versions": {"kubevirt": kubevirt}}


def test_an_installation_refuses_what_is_in_no_row_unless_it_is_told_to_go_on() -> None:
    assert untested(kubernetes_version="1.34.4", kubevirt_version="1.9.0") == []
    assert untested(kubernetes_version="1.34.4") == []
    (fault,) = untested(kubernetes_version="1.37.0")
    assert fault.startswith("kubernetes_version: 1.37 is not in the version matrix; allowed are 1.34")
    (fault,) = untested(kubernetes_version="1.36.0", kubevirt_version="1.8.2")
    assert fault.startswith("kubernetes_version: 1.36 does not go with KubeVirt 1.8; allowed with it are 1.34, 1.35")
    (fault,) = untested(kubernetes_etcd_image_tag="3.5.9-0")
    assert fault.startswith("kubernetes_etcd_image_tag: 3.5.9-0 is too old for Kubernetes 1.34")
    assert untested(kubernetes_version="1.37.0", version_matrix_allow_untested="true") == []


def test_an_upgrade_goes_by_the_kubevirt_that_runs_and_not_by_the_inventory() -> None:
    assert mismatch("1.35.2", runs("v1.8.1")) == []
    (fault,) = mismatch("1.36.0", runs("v1.8.1"), kubevirt_version="1.9.0")
    assert fault.startswith("kubernetes_version: 1.36 does not go with KubeVirt 1.8; allowed with it are 1.34, 1.35")
    assert mismatch("1.36.0", runs("v1.8.1"), version_matrix_allow_untested=True) == []
    # A cluster without KubeVirt may be upgraded.
    assert mismatch("1.36.0", runs("unknown")) == []


def test_an_upgrade_goes_by_the_cdi_that_runs_too() -> None:
    assert mismatch("1.36.0", {"versions": {"kubevirt": "unknown", "cdi": "v1.66.0"}}) == []
    assert mismatch("1.36.0", {"versions": {"kubevirt": "unknown", "cdi": ""}}) == []
    (fault,) = mismatch("1.36.0", {"versions": {"kubevirt": "v1.9.0", "cdi": "v1.65.0"}})
    assert fault.startswith("kubernetes_version: 1.36 does not go with CDI 1.65; allowed with it are 1.34, 1.35")


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        ({"kubevirt": "v1.8.1", "cdi": "v1.66.0"}, []),
        ({"kubevirt": "unknown", "cdi": ""}, []),
        ({"kubevirt": "v1.8.1", "cdi": None}, ["CDI: it does not list cdis.cdi.kubevirt.io"]),
        (
            {"kubevirt": None, "cdi": None},
            ["KubeVirt: it does not list kubevirts.kubevirt.io", "CDI: it does not list cdis.cdi.kubevirt.io"],
        ),
        (None, []),  # a cluster without an answer is told once
    ],
)
def test_an_upgrade_refuses_a_kubevirt_or_cdi_that_is_not_told(versions: Any, told: list[str]) -> None:
    own = task_vars("upgrade_preflight.yml", "Stop on any fault")
    answer = {"msg": "refused"} if versions is None else {"versions": versions}
    given = {"__kubernetes_kubevirt": answer, "kubernetes_kubeconfig": "/k", "kubernetes_version": "1.35.2"}
    where = "kubernetes_kubeconfig: /k: the cluster does not tell its "
    way_out = "; name one that may list them, or begin again once the API answers"
    assert value("__kubernetes_untold", **own, **given) == [where + each + way_out for each in told]
    assert "__kubernetes_untold" in own["__kubernetes_all"]


def csi_mismatch(*answers: Any, **given: Any) -> list[str]:
    """What an upgrade to 1.36 says of the CSI drivers that run, by the cluster's answers."""
    own = task_vars("upgrade_preflight.yml", "Stop on any fault")
    known = {"kubernetes_version": "1.36.0", "__kubernetes_workloads": {"results": list(answers)}}
    return list(value("__kubernetes_csi_mismatch", **own, **known, **given))


def driver(*images: str) -> dict[str, Any]:
    containers = [{"name": "c", "image": image} for image in images]
    return {"resources": [{"spec": {"template": {"spec": {"containers": containers}}}}]}


def test_an_upgrade_goes_by_the_csi_drivers_that_run() -> None:
    assert csi_mismatch({"resources": []}, driver("quay.io/cephcsi/cephcsi:v3.17.0", "busybox")) == []
    old = driver("busybox", "quay.io/cephcsi/cephcsi:v3.15.0")
    (fault,) = csi_mismatch({"resources": []}, old)
    assert fault.startswith("kubernetes_version: ceph-csi 3.15 (quay.io/cephcsi/cephcsi:v3.15.0) does not go with")
    assert csi_mismatch(old, version_matrix_allow_untested="true") == []
    (fault,) = csi_mismatch(old, {"msg": "refused"}, kubernetes_kubeconfig="/root/config")
    assert fault.startswith(
        "kubernetes_kubeconfig: /root/config: the cluster does not tell what CSI drivers run (refused);"
    )


def test_an_upgrade_is_refused_where_the_cluster_does_not_tell_its_kubevirt() -> None:
    (fault,) = mismatch("1.35.2", {"failed": True, "msg": "connection refused"}, kubernetes_kubeconfig="/root/config")
    assert fault == "kubernetes_kubeconfig: /root/config: the cluster does not tell its KubeVirt (connection refused)"


def test_an_upgrade_is_refused_where_the_endpoint_is_new_too() -> None:
    own = task_vars("upgrade_preflight.yml", "Stop on any fault")
    known = {
        "n1": {"__kubernetes_known_by": {"stdout": "https://192.0.2.100:8443"}},
        "n2": {"__kubernetes_known_by": {}},
        "n3": {},
    }
    given = {**own, "hostvars": known, "ansible_play_hosts": list(known)}
    assert value("__kubernetes_renamed", **given, kubernetes_api_endpoint="192.0.2.100:8443") == []
    (fault,) = value("__kubernetes_renamed", **given, kubernetes_api_endpoint="api.example.org:8443")
    assert fault.startswith(
        "https://192.0.2.100:8443, by which the cluster is known, is not kubernetes_api_endpoint api"
    )
