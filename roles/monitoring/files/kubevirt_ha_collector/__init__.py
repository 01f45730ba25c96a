# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host knows of the platform, and what the cluster says, as text files of the node exporter.

    PYTHONPATH=/usr/local/lib/kubevirt-ha python3 -m kubevirt_ha_collector --config FILE host|cluster

Needs nothing but Python: it runs on hosts that have neither Ansible nor this collection.
"""

from __future__ import annotations
