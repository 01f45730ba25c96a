# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the friendly parameters become, and what is wrong with them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    items,
    redaction,
    vm_module,
    vm_object,
    vm_options,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import InputError


def new(**options: Any) -> dict[str, Any]:
    return vm_object.new({"name": "web-1", "namespace": "shop", **options})


def instance(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = new(**options)["spec"]["template"]["spec"]
    return found


def test_a_new_machine_gets_a_run_strategy_and_the_pod_network() -> None:
    made = new(memory="1Gi")
    assert made["metadata"] == {"name": "web-1", "namespace": "shop"}
    assert made["spec"]["runStrategy"] == "Always"
    inside = made["spec"]["template"]["spec"]
    assert inside["networks"] == [{"name": "default", "pod": {}}]
    assert inside["domain"] == {
        "memory": {"guest": "1Gi"},
        "devices": {"interfaces": [{"name": "default", "masquerade": {}}]},
    }


@pytest.mark.parametrize(
    "options",
    [
        {"networks": [{"name": "lan", "multus": "lan"}]},
        {"spec": {"template": {"spec": {"domain": {"devices": {"autoattachPodInterface": False}}}}}},
        {"spec": {"template": {"spec": {"networks": [{"name": "x", "pod": {}}]}}}},
    ],
)
def test_who_gives_networks_gets_no_other(options: dict[str, Any]) -> None:
    names = [network["name"] for network in instance(**options).get("networks", [])]
    assert "default" not in names


def test_nothing_is_desired_that_was_not_given() -> None:
    assert vm_object.desired({"name": "v", "namespace": "n"}) == {}
    assert vm_object.desired({"name": "v", "namespace": "n", "labels": {"a": 1}}) == {
        "metadata": {"labels": {"a": "1"}}
    }


def test_a_run_strategy_takes_the_place_of_the_old_field() -> None:
    assert vm_object.desired({"run_strategy": "Halted"})["spec"] == {"runStrategy": "Halted", "running": None}
    assert "running" not in new(run_strategy="Halted")["spec"]


@pytest.mark.parametrize(
    ("disk", "volume"),
    [
        ({"pvc": "c"}, {"persistentVolumeClaim": {"claimName": "c"}}),
        ({"data_volume": "d"}, {"dataVolume": {"name": "d"}}),
        ({"data_volume_template": {"size": "1Gi"}}, {"dataVolume": {"name": "web-1-root"}}),
        ({"data_volume_template": {"size": "1Gi", "name": "own"}}, {"dataVolume": {"name": "own"}}),
        ({"container_disk": "i:1"}, {"containerDisk": {"image": "i:1"}}),
        ({"empty_disk": "1Gi"}, {"emptyDisk": {"capacity": "1Gi"}}),
        ({"config_map": "m"}, {"configMap": {"name": "m"}}),
        ({"secret": "s"}, {"secret": {"secretName": "s"}}),
    ],
)
def test_each_source_of_a_disk(disk: dict[str, Any], volume: dict[str, Any]) -> None:
    inside = instance(disks=[{"name": "root", **disk}])
    assert inside["volumes"] == [{"name": "root", **volume}]
    assert inside["domain"]["devices"]["disks"] == [{"name": "root", "disk": {"bus": "virtio"}}]


@pytest.mark.parametrize(
    ("options", "sockets"),
    [
        ({}, 1),
        ({"requests": {"cpu": "50m"}}, 1),
        ({"requests": {"cpu": "1500m"}}, 2),
        ({"requests": {"cpu": "1"}, "limits": {"cpu": "4"}}, 4),
    ],
)
def test_a_cpu_without_a_topology_gets_the_one_that_kubevirt_gives_its_instance(options: Any, sockets: int) -> None:
    cpu = new(cpu={"model": "qemu64"}, **options)["spec"]["template"]["spec"]["domain"]["cpu"]
    assert cpu == {"model": "qemu64", "cores": 1, "sockets": sockets, "threads": 1}


def test_a_topology_or_an_instance_type_is_left_as_it_is() -> None:
    assert new(cpu={"model": "qemu64", "cores": 2})["spec"]["template"]["spec"]["domain"]["cpu"] == {
        "model": "qemu64",
        "cores": 2,
    }
    assert "cpu" not in new()["spec"]["template"]["spec"]["domain"]
    typed = new(cpu={"model": "qemu64"}, instancetype={"name": "small"})
    assert typed["spec"]["template"]["spec"]["domain"]["cpu"] == {"model": "qemu64"}


def test_a_template_of_a_data_volume_is_blank_by_default() -> None:
    template = {"size": "1Gi", "storage_class": "s", "access_modes": ["ReadWriteMany"], "volume_mode": "Block"}
    made = new(disks=[{"name": "root", "data_volume_template": template}])
    expected = {
        "source": {"blank": {}},
        "storage": {
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "s",
            "accessModes": ["ReadWriteMany"],
            "volumeMode": "Block",
        },
    }
    assert made["spec"]["dataVolumeTemplates"] == [{"metadata": {"name": "web-1-root"}, "spec": expected}]


def test_a_cdrom_is_on_a_bus_that_has_cdroms() -> None:
    disks = instance(disks=[{"name": "iso", "pvc": "c", "type": "cdrom", "boot_order": 1, "read_only": True}])["domain"]
    assert disks["devices"]["disks"] == [{"name": "iso", "bootOrder": 1, "cdrom": {"bus": "sata", "readonly": True}}]


def test_an_interface_keeps_its_empty_binding() -> None:
    network = {"name": "n", "mac": "02:00:00:00:00:01", "ports": [{"name": "http", "port": 80}]}
    devices = instance(networks=[network])["domain"]["devices"]
    expected = {
        "name": "n",
        "macAddress": "02:00:00:00:00:01",
        "ports": [{"name": "http", "port": 80}],
        "masquerade": {},
    }
    assert devices["interfaces"] == [expected]
    assert instance(networks=[{"name": "n", "multus": "a"}])["domain"]["devices"]["interfaces"][0]["bridge"] == {}


def test_what_is_absent_goes_from_every_list_it_stands_in() -> None:
    options = {"name": "v", "namespace": "n", "disks": [{"name": "d", "state": "absent"}]}
    wanted = vm_object.desired({**options, "networks": [{"name": "x", "state": "absent"}]})["spec"]
    inside = wanted["template"]["spec"]
    gone = {"$patch": "delete"}
    assert inside["volumes"] == inside["domain"]["devices"]["disks"] == [{"name": "d", **gone}]
    assert inside["networks"] == inside["domain"]["devices"]["interfaces"] == [{"name": "x", **gone}]
    assert wanted["dataVolumeTemplates"] == [{"metadata": {"name": "v-d"}, **gone}]


def test_user_data_as_a_dictionary_is_always_written_the_same_way() -> None:
    one = vm_object.user_data({"user_data": {"b": 1, "a": 2}})
    assert one == vm_object.user_data({"user_data": {"a": 2, "b": 1}}) == '#cloud-config\n{"a": 2, "b": 1}\n'


@pytest.mark.parametrize("user_data", [None, {"packages": ["x"]}, "#cloud-config\npackages: [x]\n"])
def test_ssh_keys_join_the_user_data(user_data: Any) -> None:
    made = vm_object.user_data({"user_data": user_data, "ssh_keys": ["ssh-ed25519 A"]}) or ""
    content = json.loads(made.removeprefix("#cloud-config\n"))
    assert content["ssh_authorized_keys"] == ["ssh-ed25519 A"]
    assert content.get("packages") == (["x"] if user_data else None)


def test_user_data_that_is_no_yaml_is_refused_without_being_quoted() -> None:
    with pytest.raises(InputError) as caught:
        vm_object.user_data({"user_data": "#cloud-config\npassword: [hunter2", "ssh_keys": ["k"]})
    assert "hunter2" not in str(caught.value)


def test_a_secret_takes_the_place_of_user_data() -> None:
    wanted = vm_object.desired({"cloud_init": {"secret": "s"}})["spec"]["template"]["spec"]["volumes"]
    source = {"secretRef": {"name": "s"}, "userData": None, "userDataBase64": None}
    assert wanted == [{"name": "cloudinit", "cloudInitNoCloud": source}]


def test_placement_presets_become_affinity_and_a_label() -> None:
    options = {
        "one_per_node": {"group": "web", "required": False},
        "keep_together": {"group": "pair"},
        "node_affinity": {"zone": ["a", "b"]},
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}},
    }
    template = new(**options)["spec"]["template"]
    assert template["metadata"]["labels"] == {
        "kubevirt-ha.virtops/one-per-node": "web",
        "kubevirt-ha.virtops/keep-together": "pair",
    }
    affinity = template["spec"]["affinity"]
    preferred = affinity["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [entry["weight"] for entry in preferred] == [1, 100]
    assert affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]["topologyKey"]
    terms = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}]


def test_spec_is_merged_last_and_by_name() -> None:
    boot = {"kernelArgs": "x", "container": {"image": "i"}}
    devices = {"disks": [{"name": "root", "cache": "none"}]}
    spec = {"template": {"spec": {"domain": {"firmware": {"kernelBoot": boot}, "devices": devices}, "hostname": None}}}
    inside = instance(disks=[{"name": "root", "pvc": "c"}], hostname="h", spec=spec)
    assert inside["domain"]["firmware"] == {"kernelBoot": boot}
    assert inside["domain"]["devices"]["disks"] == [{"name": "root", "disk": {"bus": "virtio"}, "cache": "none"}]
    assert "hostname" not in inside


def test_secrets_are_hidden_and_their_change_is_told() -> None:
    def machine(text: str) -> dict[str, Any]:
        return {"volumes": [{"name": "c", "cloudInitNoCloud": {"userData": text}}]}

    before, after = machine("hunter1"), machine("hunter2")
    shown = redaction.hide_secrets(after, before)
    assert shown["volumes"][0]["cloudInitNoCloud"] == {"userData": "(hidden, changed)"}
    assert redaction.hide_secrets(before, before)["volumes"][0]["cloudInitNoCloud"] == {"userData": "(hidden)"}
    assert redaction.secrets(before) == ["hunter1"]


def faults(**options: Any) -> list[str]:
    where = f"VirtualMachine {options.get('namespace', 'shop')}/{options.get('name', 'web-1')}: "
    found = vm_module.ITEMS.check({"vms": [{"name": "web-1", "namespace": "shop", **options}]})
    return [fault.removeprefix(where) for fault in found]


def test_good_options_have_no_faults() -> None:
    assert not faults(
        memory="1Gi", cpu={"cores": 1}, disks=[{"name": "a", "pvc": "c"}, {"name": "b", "state": "absent"}]
    )


@pytest.mark.parametrize(
    "options",
    [
        {"labels": {"example.com/App": "v1.2_x", "n": 1, "b": True, "empty": "", "gone": None}},
        # Kubernetes takes any case in the prefix of an annotation, and anything as its value.
        {"annotations": {"Example.com/Note": "any thing\n"}, "template_annotations": {"k": None}},
        # How an entry leaves out what its defaults give.
        {"hostname": "", "priority_class": "", "cloud_init": {"secret": ""}},
        {"node_selector": {"gpu": True, "kubernetes.io/arch": "amd64"}, "node_affinity": {"gpu": [True], "n": [1, ""]}},
        {"disks": [{"name": "r", "data_volume_template": {"name": "", "size": "1Gi", "source": {"blank": {}}}}]},
        {"disks": [{"name": "r", "data_volume_template": {"source": {"http": None, "pvc": {"name": "c"}}}}]},
        {"disks": [{"name": "r", "data_volume_template": {"size": "1Gi", "source": {"http": None}}}]},
        {"one_per_node": {"group": 7}, "keep_together": {"group": "Shop_1"}},
        {
            "affinity": {
                "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
                "nodeAffinity": None,
            }
        },
        # Of it nothing is sent.
        {"state": "absent", "hostname": "A_B", "labels": {"a": "b c"}, "memory": "1GB"},
    ],
)
def test_what_kubernetes_takes_is_no_fault(options: dict[str, Any]) -> None:
    assert faults(**options) == []


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"name": "x" * 64}, "name: .* has 64 characters, 63 is the most"),
        ({"name": "Web_1"}, "name: 'Web_1' must be of lower-case letters"),
        ({"namespace": None}, "namespace: is missing"),
        ({"memory": "1GB"}, "memory: '1GB' is no quantity: write 1Gi"),
        ({"memory": "0"}, "memory: .* more than 0"),
        ({"requests": {"cpu": "fast"}}, "requests.cpu: 'fast' is no quantity"),
        ({"cpu": {"cores": 0}}, "cpu.cores: 0 must be 1 or more"),
        ({"instancetype": {"name": "u"}, "memory": "1Gi"}, "instancetype: sets CPU and memory itself"),
        ({"termination_grace_period": -1}, "termination_grace_period: -1 must be 0 or more seconds"),
        ({"disks": [{"name": "root"}]}, r"disks\[root\]: has no source; give one of pvc, "),
        ({"disks": [{"name": "r", "pvc": "a", "secret": "b"}]}, r"disks\[r\]: has 2 sources \(pvc, secret\)"),
        ({"disks": [{"name": "R_1", "pvc": "a"}]}, r"disks\[R_1\].name: "),
        ({"disks": [{"name": "r", "empty_disk": "1GB"}]}, r"disks\[r\].empty_disk: "),
        ({"disks": [{"name": "r", "data_volume_template": {}}]}, r"data_volume_template.size: is missing"),
        (
            {"disks": [{"name": "r", "data_volume_template": {"source": {"http": {"url": "u"}}}}]},
            r"http does not tell it",
        ),
        ({"spec": {"template": "oops"}}, r"spec.template: must be a map of fields$"),
        ({"spec": {"template": {"spec": ["a"]}}}, r"spec.template.spec: must be a map"),
        (
            {
                "disks": [
                    {
                        "name": "r",
                        "data_volume_template": {"size": "1Gi", "source": {"http": {"url": "https://u:p@h/x"}}},
                    }
                ]
            },
            r"source.http.url: holds a password",
        ),
        ({"disks": [{"name": "r", "data_volume_template": {"size": "x"}}]}, r"data_volume_template.size: 'x'"),
        (
            {"disks": [{"name": "r", "data_volume_template": {"source": {"http": {}, "pvc": {}}}}]},
            r"data_volume_template.source: must have one key",
        ),
        ({"disks": [{"name": "r", "pvc": "a", "type": "cdrom", "bus": "virtio"}]}, "virtio has no CD-ROM"),
        ({"disks": [{"name": "r", "pvc": "a", "boot_order": 0}]}, "boot_order: 0 must be 1 or more"),
        ({"disks": [{"name": "r", "pvc": "a"}, {"name": "r", "pvc": "b"}]}, r"disks\[r\]: is there 2 times"),
        ({"networks": [{"name": "n", "pod": True, "multus": "m"}]}, "pod and multus exclude each other"),
        ({"networks": [{"name": "n", "pod": False}]}, "has no source; give pod or multus"),
        ({"networks": [{"name": "n", "multus": "m", "binding": "masquerade"}]}, "masquerade is for the pod network"),
        ({"networks": [{"name": "n", "ports": [{"port": 70000}]}]}, "70000 is no port"),
        ({"cloud_init": {"secret": "s", "user_data": "x"}}, "secret and user_data exclude each other"),
        ({"cloud_init": {"user_data": "#!/bin/sh", "ssh_keys": ["k"]}}, "only where that begins with #cloud-config"),
        ({"cloud_init": {"user_data": "x" * 2049}}, "longer than 2048 bytes; put it into a Secret"),
        ({"cloud_init": {"user_data": [1]}}, "user_data: must be a text or a dictionary"),
        ({"node_affinity": {"zone": "a"}}, r"node_affinity\[zone\]: must be a list"),
        ({"one_per_node": {"group": "g"}, "keep_together": {"group": "g"}}, "name the same group"),
        ({"disks": [{"name": "r", "pvc": "Bad N"}]}, r"disks\[r\].pvc: 'Bad N' must be of lower-case"),
        ({"disks": [{"name": "r", "data_volume": "x_y"}]}, r"disks\[r\].data_volume: 'x_y' must be"),
        ({"disks": [{"name": "r", "config_map": "A"}]}, r"disks\[r\].config_map: 'A' must be"),
        (
            {"disks": [{"name": "r", "data_volume_template": {"size": "1Gi", "name": "B"}}]},
            "template.name: 'B' must be",
        ),
        (
            {"disks": [{"name": "r", "data_volume_template": {"size": "1Gi", "source": {"htp": {}}}}]},
            "template.source: knows no htp; it must have one key of blank, .*, http, .*vddk$",
        ),
        ({"priority_class": "High"}, "priority_class: 'High' must be"),
        ({"hostname": "a.b"}, "hostname: 'a.b' must be"),
        ({"preference": {"name": "Fedora"}}, "preference.name: 'Fedora' must be"),
        ({"one_per_node": {"group": "web servers"}}, "one_per_node.group: 'web servers' must be of letters"),
        ({"keep_together": {"group": "g" * 64}}, "keep_together.group: .* has 64 characters, 63 is the most"),
        ({"labels": {"app": "a b"}}, r"labels\[app\]: 'a b' must be of letters, digits"),
        ({"labels": {"app": ["a"]}}, r"labels\[app\]: '\[.*\]' must be of letters"),
        ({"labels": {"a b": "c"}}, "labels: the key 'a b' must be of letters, digits"),
        ({"labels": {"Ex.com/app": "c"}}, "labels: the key 'Ex.com/app' has a wrong prefix, 'Ex.com' must be"),
        ({"labels": {"/app": "c"}}, "labels: the key '/app' has a wrong prefix"),
        ({"labels": {"example.com/": "c"}}, "labels: the key 'example.com/' must be"),
        ({"annotations": {"k" * 64: "any thing"}}, "annotations: the key .* has 64 characters, 63 is the most"),
        ({"template_labels": {"app": "-a"}}, r"template_labels\[app\]: '-a' must be"),
        ({"template_annotations": {"a/b/c": ""}}, "template_annotations: the key 'a/b/c' has a wrong prefix"),
        ({"name": "v\n"}, r"name: 'v\\n' must be"),
        ({"hostname": "h\n"}, r"hostname: 'h\\n' must be"),
        ({"labels": {"app": "a\n"}}, r"labels\[app\]: 'a\\n' must be"),
        ({"labels": {"app\n": "a"}}, r"labels: the key 'app\\n' must be"),
        ({"cloud_init": {"secret": "Bad N"}}, "cloud_init.secret: 'Bad N' must be"),
        ({"instancetype": {"name": ""}}, "instancetype.name: '' must be"),
        ({"one_per_node": {"group": ""}}, "one_per_node.group: is empty"),
        ({"node_affinity": {"a b": ["x"]}}, r"node_affinity\[a b\]: the key 'a b' must be"),
        ({"node_affinity": {"zone": ["a b"]}}, r"node_affinity\[zone\]: 'a b' must be"),
        ({"node_affinity": {"zone": [None]}}, r"node_affinity\[zone\]: must be a list"),
        ({"affinity": {"podAntiAffinity": "x"}}, "affinity.podAntiAffinity: must be a map of rules"),
        ({"affinity": {"podAffinity": {"required": "x"}}}, "affinity.podAffinity.required: must be a list of terms"),
        (
            {"disks": [{"name": "r", "data_volume_template": {"size": "1Gi", "source": {"http": "http://x"}}}]},
            "data_volume_template.source.http: must be a map of fields",
        ),
        (
            {"disks": [{"name": "r", "data_volume_template": {"size": "1Gi", "source": {"sourceRef": {}}}}]},
            "knows no sourceRef; .* sourceRef goes with data_volume",
        ),
        ({"node_selector": {"disk": "very fast"}}, r"node_selector\[disk\]: 'very fast' must be"),
        (
            {"spec": {"dataVolumeTemplates": [{"spec": {"source": {"http": {"url": "https://u:p@h/i"}}}}]}},
            r"spec.dataVolumeTemplates\[0\].spec.source.http.url: holds a password",
        ),
    ],
)
def test_each_fault_names_its_field_and_the_way_out(options: dict[str, Any], fault: str) -> None:
    found = faults(**options)
    assert len(found) == 1
    assert re.search(fault, found[0])


@pytest.mark.parametrize("wrong", [{"disks": "a"}, {"disks": ["a"]}, {"cpu": 1}, {"cloud_init": "x"}, {"name": 1}])
def test_values_of_a_wrong_type_are_left_to_the_argument_spec(wrong: dict[str, Any]) -> None:
    assert not faults(**wrong)


def test_layers_are_put_together_by_name() -> None:
    base = {"labels": {"a": "1"}, "disks": [{"name": "root", "container_disk": "i", "cache": "none"}], "memory": "1Gi"}
    over = {"labels": {"b": "2"}, "disks": [{"name": "root", "pvc": "c"}, {"name": "more", "pvc": "d"}]}
    assert items.layer(base, over, exclusive=vm_options.EXCLUSIVE) == {
        "labels": {"a": "1", "b": "2"},
        "memory": "1Gi",
        "disks": [{"name": "root", "cache": "none", "pvc": "c"}, {"name": "more", "pvc": "d"}],
    }


def test_booleans_of_a_playbook_are_what_nodes_labels_hold() -> None:
    made = instance(node_affinity={"gpu": [True, 1, "x"]}, node_selector={"gpu": True})
    required = made["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["nodeSelectorTerms"][0]["matchExpressions"][0]["values"] == ["true", "1", "x"]
    assert made["nodeSelector"] == {"gpu": "true"}


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ({"http": None, "pvc": {"name": "c", "namespace": "a"}}, {"pvc": {"name": "c", "namespace": "a"}}),
        ({"http": None}, {"blank": {}}),
    ],
)
def test_a_source_that_is_null_is_none(source: Any, sent: Any) -> None:
    made = new(disks=[{"name": "root", "data_volume_template": {"size": "1Gi", "source": source}}])
    assert made["spec"]["dataVolumeTemplates"][0]["spec"]["source"] == sent
