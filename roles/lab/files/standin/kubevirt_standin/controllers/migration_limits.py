"""How many migrations may run at once, and how long one that follows failed ones waits; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ..resources import Object, deleting

PER_CLUSTER, PER_NODE = 5, 2
UNSCHEDULABLE_SECONDS = 300.0
OVER = ("Succeeded", "Failed")
NOT_BEGUN = ("", "Pending", *OVER)
AUTOMATIC = ("kubevirt.io/evacuationMigration", "kubevirt.io/workloadUpdateMigration")
TIMEOUT = "kubevirt.io/migrationUnschedulablePodTimeoutSeconds"
FIRST_BACKOFF = 20.0
RETRY_PODS, RETRY_AUTOMATIC, RETRY = 1.0, 1.0, 5.0
KEPT = 5


def state(migration: Object) -> str:
    """The migration's phase, empty before it has one."""
    return str((migration.get("status") or {}).get("phase") or "")


def is_automatic(migration: Object) -> bool:
    """Whether KubeVirt made it, for an evacuation or an update of workloads."""
    return any(name in AUTOMATIC for name in migration["metadata"].get("annotations") or {})


def allowed(kubevirt: Object | None) -> tuple[int, int]:
    """How many may run in the cluster, and how many away from one node."""
    configuration = ((kubevirt or {}).get("spec") or {}).get("configuration") or {}
    stated = configuration.get("migrations") or {}
    total, outbound = stated.get("parallelMigrationsPerCluster"), stated.get("parallelOutboundMigrationsPerNode")
    return (PER_CLUSTER if total is None else int(total)), (PER_NODE if outbound is None else int(outbound))


def are_full(running: Iterable[Object], vmis: Mapping[str, Object], node: str, limits: tuple[int, int]) -> bool:
    """Whether one more from that node would be too many; `vmis` by namespace/name."""
    found = list(running)
    leaving = 0
    for migration in found:
        status = (vmis.get(f"{migration['metadata']['namespace']}/{migration['spec']['vmiName']}") or {}).get("status")
        moves = (status or {}).get("migrationState") or {}
        leaving += node in ((status or {}).get("nodeName"), moves.get("sourceNode"))
    return len(found) >= limits[0] or leaving >= limits[1]


def seconds_since(moment: str) -> float:
    """Seconds since a time as Kubernetes writes it."""
    then = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return (datetime.now(UTC) - then).total_seconds()


def backoff(migration: Object, of_vmi: Iterable[Object]) -> float:
    """Seconds that one of KubeVirt's own waits after such ones of the same VMI that failed: 20, 40, 80, ..."""
    if not is_automatic(migration):
        return 0.0
    found = sorted(
        (item for item in of_vmi if is_automatic(item)),
        key=lambda item: str(item["metadata"]["creationTimestamp"]),
        reverse=True,
    )
    if len(found) < 2 or found[0]["metadata"]["uid"] != migration["metadata"]["uid"]:
        return 0.0
    wait = 0.0
    for item in found[1:]:
        if state(item) == "Succeeded":
            break
        if state(item) == "Failed" and not deleting(item):
            wait = wait * 2 or FIRST_BACKOFF
    if not wait:
        return 0.0
    passed = (found[1].get("status") or {}).get("phaseTransitionTimestamps") or []
    failed = next((item["phaseTransitionTimestamp"] for item in passed if item["phase"] == "Failed"), None)
    return max(0.0, wait - seconds_since(failed)) if failed else 0.0


def is_unschedulable(pod: Object) -> bool:
    """Whether the scheduler found no node for the pod."""
    if deleting(pod) or (pod.get("status") or {}).get("phase") != "Pending":
        return False
    return any(
        item["type"] == "PodScheduled" and item["status"] == "False" and item.get("reason") == "Unschedulable"
        for item in (pod.get("status") or {}).get("conditions") or []
    )


def patience(migration: Object) -> float:
    """Seconds that its target pod may be unschedulable."""
    stated = (migration["metadata"].get("annotations") or {}).get(TIMEOUT, "")
    return float(stated) if stated.isdigit() else UNSCHEDULABLE_SECONDS


def outdated(migrations: Iterable[Object]) -> list[Object]:
    """Of one VMI's migrations those that are over and older than the last five of these."""
    over = sorted(
        (item for item in migrations if state(item) in OVER and not deleting(item)),
        key=lambda item: str(item["metadata"]["creationTimestamp"]),
    )
    return over[: max(0, len(over) - KEPT)]
