"""The metrics that KubeVirt's components serve: name, type, components, and what each is here."""

from __future__ import annotations

from dataclasses import dataclass

API, CONTROLLER, HANDLER, OPERATOR = "virt-api", "virt-controller", "virt-handler", "virt-operator"
ALL = (API, CONTROLLER, HANDLER, OPERATOR)
QUEUES = (CONTROLLER, HANDLER, OPERATOR)


@dataclass(frozen=True)
class Entry:
    """One metric."""

    type: str
    components: tuple[str, ...]
    help: str


CATALOGUE: dict[str, Entry] = {}


def _add(kind: str, components: tuple[str, ...], metrics: dict[str, str]) -> None:
    CATALOGUE.update({f"kubevirt_{name}": Entry(kind, components, text) for name, text in metrics.items()})


_add(
    "counter",
    ALL,
    {"rest_client_requests_total": "Answers of the API server, by code, method and resource."},
)
_add(
    "histogram",
    ALL,
    {
        "rest_client_request_latency_seconds": "Seconds until the API server answered.",
        "rest_client_rate_limiter_duration_seconds": "Seconds that requests were held back; this client holds none back.",
    },
)
_add(
    "counter",
    QUEUES,
    {
        "workqueue_adds_total": "Keys added to a work queue.",
        "workqueue_retries_total": "Keys that came again after a failure.",
    },
)
_add(
    "gauge",
    QUEUES,
    {
        "workqueue_depth": "Keys that wait in a work queue.",
        "workqueue_longest_running_processor_seconds": "Seconds since the oldest key being handled was taken.",
        "workqueue_unfinished_work_seconds": "Seconds that all keys being handled have taken so far.",
    },
)
_add(
    "histogram",
    QUEUES,
    {
        "workqueue_queue_duration_seconds": "Seconds that a key waited.",
        "workqueue_work_duration_seconds": "Seconds that a key was handled.",
    },
)
_add("gauge", (API,), {"virt_api_ready_status": "1 while virt-api serves."})
_add("counter", (API,), {"vm_created_by_pod_total": "VMs whose creation this virt-api admitted, by namespace."})
_add(
    "gauge",
    (OPERATOR,),
    {
        "configuration_emulation_enabled": "1 where the KubeVirt object asks for emulation.",
        "virt_operator_leading_status": "1 on the replica that leads.",
        "virt_operator_ready_status": "1 once the watched objects are known.",
    },
)
_add("counter", (CONTROLLER, HANDLER), {"vmi_sync_total": "Passes over a VMI."})
_add(
    "gauge",
    (CONTROLLER,),
    {
        "virt_controller_leading_status": "1 on the replica that leads.",
        "virt_controller_ready_status": "1 once the watched objects are known.",
        "vm_create_date_timestamp_seconds": "When the VM was created.",
        "vm_info": "A VM with its status.",
        "vm_labels": "The labels of a VM.",
        "vm_resource_requests": "CPU and memory that a VM asks for, by where it says so.",
        "vm_vnic_info": "The interfaces of a VM.",
        "vmi_info": "A VMI with its phase, node and launcher pod.",
        "vmi_launcher_memory_overhead_bytes": "Memory that the launcher needs beside the guest's.",
        "vmi_migrations_in_pending_phase": "Migrations that are Pending.",
        "vmi_migrations_in_running_phase": "Migrations that move memory.",
        "vmi_migrations_in_scheduling_phase": "Migrations whose target pod is awaited.",
        "vmi_migrations_in_unset_phase": "Migrations that no controller has seen.",
        "vmi_non_evictable": "1 for a VMI that shall be moved at an eviction and cannot be.",
        "vmi_number_of_outdated": "VMIs in launchers of another version.",
        "vmi_status_addresses": "The addresses of a VMI.",
        "vmi_vnic_info": "The interfaces of a VMI.",
    },
)
_add(
    "counter",
    (CONTROLLER,),
    {
        f"vm_{group}_status_last_transition_timestamp_seconds": f"When a VM came into a {group} status; 0 while in another."
        for group in ("error", "migrating", "non_running", "running", "starting")
    },
)
_add(
    "histogram",
    (CONTROLLER,),
    {
        "vmi_phase_transition_time_seconds": "Seconds between two phases of a VMI.",
        "vmi_phase_transition_time_from_creation_seconds": "Seconds from a VMI's creation to a phase.",
        "vmi_phase_transition_time_from_deletion_seconds": "Seconds from a VMI's deletion to its last phase.",
        "vmi_migration_phase_transition_time_from_creation_seconds": "Seconds from a migration's creation to a phase.",
    },
)
_add(
    "gauge",
    (HANDLER,),
    {
        "info": "The version of KubeVirt.",
        "node_deprecated_machine_types": "Machine types that the node's QEMU calls deprecated.",
        "virt_handler_ready_status": "1 once the watched objects are known.",
        "vmi_memory_actual_balloon_bytes": "Memory that the balloon leaves to the guest.",
        "vmi_memory_domain_bytes": "Memory of the guest as configured.",
        "vmi_memory_resident_bytes": "Resident memory of the QEMU process.",
        "vmi_node_cpu_affinity": "Pairs of a virtual CPU and a CPU that it may run on.",
    },
)
_add(
    "counter",
    (HANDLER,),
    {
        "vmi_cpu_system_usage_seconds_total": "CPU seconds of the QEMU process in the kernel.",
        "vmi_cpu_usage_seconds_total": "CPU seconds of the QEMU process.",
        "vmi_cpu_user_usage_seconds_total": "CPU seconds of the QEMU process outside of the kernel.",
        "vmi_network_receive_bytes_total": "Bytes that came in by the pod's interface.",
        "vmi_network_receive_errors_total": "Receive errors of the pod's interface.",
        "vmi_network_receive_packets_dropped_total": "Packets that the pod's interface dropped coming in.",
        "vmi_network_receive_packets_total": "Packets that came in by the pod's interface.",
        "vmi_network_traffic_bytes_total": "Bytes through the pod's interface, by direction.",
        "vmi_network_transmit_bytes_total": "Bytes that went out by the pod's interface.",
        "vmi_network_transmit_errors_total": "Transmit errors of the pod's interface.",
        "vmi_network_transmit_packets_dropped_total": "Packets that the pod's interface dropped going out.",
        "vmi_network_transmit_packets_total": "Packets that went out by the pod's interface.",
        "vmi_vcpu_delay_seconds_total": "Seconds that a virtual CPU's thread was ready and did not run.",
        "vmi_vcpu_seconds_total": "CPU seconds of a virtual CPU's thread.",
        "vmi_vcpu_wait_seconds_total": "Seconds that a virtual CPU's thread waited for block input and output.",
    },
)
