# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon a silent node is suspected; the one table of the detection profiles.

The names and the leases are those of `kubernetes_failure_detection`: the kubelet's lease lasts `lease_seconds` and is
renewed each quarter of it. What a shorter profile costs:

standard: Kubernetes' own figures. A node may reboot its kubelet, or lose its network for half a minute, unnoticed.
fast: a switch that converges slowly (spanning tree, 30 s) makes nodes suspect; fencing follows only if both signals
    are silent, so it takes a whole network fault. Leases cost the API server 2.5 times as many writes.
fastest: a pause of 4 s of the whole machine (memory pressure, firmware, a frozen disk) makes a node suspect, and it is
    then powered off although it might have come back. 10 times as many writes; meant for a few nodes on one switch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """All in seconds.

    lease_seconds: how long the kubelets' leases last; lease_limit, path_limit: for how long the signal must be silent;
    poll: between two reads of the leases; probe: between two tries of a direct path; patience: for one answer;
    settle: after the API was away, until silent leases count again, so that living nodes can renew theirs.
    """

    lease_seconds: float
    lease_limit: float
    path_limit: float
    poll: float
    probe: float
    patience: float
    settle: float


PROFILES = {
    "standard": Profile(40, 50, 40, poll=2.0, probe=2.0, patience=2.0, settle=20),
    "fast": Profile(16, 16, 12, poll=1.0, probe=1.0, patience=1.0, settle=8),
    "fastest": Profile(4, 4, 3, poll=0.5, probe=0.5, patience=1.0, settle=2),
}
