#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ha_probe
short_description: Ask whether something answers, wait for it, or measure its longest gap
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Asks, from the host it runs on, addresses by HTTP or TCP and guests of virtual machines, each question by a connection
    of its own. Many probes of one task are asked at the same time.
  - Without more it asks once. With O(count) or O(for_seconds) it measures, and tells the longest time without a good
    answer. With O(wait_timeout) it waits until the target is as expected.
  - A question that is not answered delays none that follows it, so that the samples stay dense while an address is dead.
  - Fails where a target is not as expected, with every such probe named. A probe without a sample has failed.
  - It only asks, so it runs in check mode, too.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
  - virtops.kubevirt_ha.connection
options:
  probes:
    description:
      - The probes. Each entry wins over O(defaults).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - What the result calls the probe; its target by default.
        type: str
      <<: &options
        url:
          description:
            - URL to ask by HTTP. Redirections are answers, and are not followed. A body is read up to 1 MiB.
          type: str
        tcp:
          description:
            - Address to connect to, as V(host:port).
          type: str
        guest:
          description:
            - The guest of a virtual machine's instance. This needs a connection to the API server.
            - Its instance's address is read before the first question, and again after one that went wrong. While the API
              server is away the last known address is asked.
          type: dict
          suboptions:
            namespace:
              description:
                - Namespace of the instance.
              type: str
            name:
              description:
                - Name of the instance, which is that of its virtual machine.
              type: str
            agent:
              description:
                - Whether the guest's agent must answer. Yes by default where there is no O(probes[].guest.port). With both, both
                  must answer.
              type: bool
            port:
              description:
                - Port of the guest. It is asked for a TCP connection, or by HTTP where O(probes[].guest.path) or
                  O(probes[].guest.scheme) is given.
              type: int
            path:
              description:
                - Path to ask by HTTP.
              type: str
            scheme:
              description:
                - V(http) by default.
              type: str
              choices: [http, https]
            interface:
              description:
                - Name of the interface whose address is asked. The first that has an address by default.
              type: str
        method:
          description:
            - Method of HTTP. V(GET) by default.
          type: str
          choices: [GET, HEAD]
        request_headers:
          description:
            - Headers to send. Their values are never shown.
          type: dict
        status:
          description:
            - Status codes that are good, such as V(200), V(200-299) or V(2xx). V(200-399) by default, as with HAProxy and
              the kubelet.
          type: list
          elements: str
        body_contains:
          description:
            - Text that the body must contain.
          type: str
        body_regex:
          description:
            - Regular expression that must be found in the body.
          type: str
        json_fields:
          description:
            - Values that the body's fields must have, by their path of names and list positions, such as
              C(status.conditions.0.type).
          type: dict
        response_headers:
          description:
            - Headers that the answer must have, each with a regular expression for its value.
          type: dict
        banner:
          description:
            - Regular expression that must be found in what a TCP server sends first.
          type: str
        tls:
          description:
            - How TLS is spoken with C(https), and that it is with O(probes[].tcp) or a guest's port.
          type: dict
          suboptions:
            verify:
              description:
                - Whether the server's certificate is checked. Yes by default.
              type: bool
            ca_file:
              description:
                - Path to the authority's certificate. The system's authorities by default.
              type: path
            cert_file:
              description:
                - Path to a client certificate.
              type: path
            key_file:
              description:
                - Path to its key.
              type: path
            server_name:
              description:
                - The name to look for in the server's certificate, where it is not that of the address.
              type: str
            minimum_days:
              description:
                - How many days the server's certificate must be good for, at least.
              type: float
        interval:
          description:
            - Seconds between two questions. 1 by default.
          type: float
        timeout:
          description:
            - Seconds to wait for an answer. 3 by default.
          type: float
        count:
          description:
            - How many times to ask. By default as often in a row as O(probes[].rise) or O(probes[].fall) says.
          type: int
        for_seconds:
          description:
            - How many seconds to ask.
          type: float
        while_exists:
          description:
            - Asks only as long as this file is there, and at most O(probes[].for_seconds). Whoever started the task in the
              background ends it by removing the file.
          type: path
          version_added: 0.3.0
        wait_timeout:
          description:
            - Asks until the target is as expected, at most this many seconds.
          type: int
        expect:
          description:
            - Whether the target must be V(up) or V(down) in the end. V(up) by default.
            - Where a question cannot even be put, because the API server does not answer for a guest or this host lacks
              means, that shows neither.
          type: str
          choices: [up, down]
        rise:
          description:
            - How many good answers in a row make the target up. 1 by default.
          type: int
        fall:
          description:
            - How many failures in a row make it down. 1 by default.
          type: int
        success_ratio:
          description:
            - The least share of samples that must be as expected, from 0 to 1. Without it what counts is the state in the end.
          type: float
        max_gap_seconds:
          description:
            - The longest time without a good answer that is allowed.
          type: float
  defaults:
    description:
      - What the probes in O(probes) have in common. A target or a loop of a probe's own replaces the one given here.
    type: dict
    suboptions:
      <<: *options
  name:
    description:
      - What the result calls the probe, in the short form for one probe. The options below are then its own.
    type: str
  <<: *options
seealso:
  - module: virtops.kubevirt_ha.redundancy_info
  - module: virtops.kubevirt_ha.failover_drill
"""

EXAMPLES = r"""
- name: Wait until the API has answered three times in a row through its VIP
  virtops.kubevirt_ha.ha_probe:
    url: https://10.77.0.100:8443/readyz
    tls: {ca_file: /etc/kubernetes/pki/ca.crt}
    body_contains: ok
    rise: 3
    wait_timeout: 120

- name: Measure the gaps while a VIP moves
  virtops.kubevirt_ha.ha_probe:
    defaults:
      interval: 0.1
      timeout: 1
      for_seconds: 30
      max_gap_seconds: 3
    probes:
      - name: vip
        tcp: 10.77.0.100:8443
      - name: shop
        url: http://10.77.0.100:30080/healthz
        json_fields: {status: ok, database.writable: true}
  register: gaps

- name: Show them
  ansible.builtin.debug:
    msg: "{{ item.name }} was away for {{ item.longest_gap_seconds }} s at most"
  loop: "{{ gaps.probes }}"
  loop_control: {label: "{{ item.name }}"}

- name: Guests answer, by their agents and by their service
  virtops.kubevirt_ha.ha_probe:
    kubeconfig: ~/.kube/config
    defaults: {wait_timeout: 300}
    probes:
      - guest: {namespace: shop, name: web-1, agent: true, port: 8080, path: /healthz}
      - guest: {namespace: shop, name: database, port: 5432}

- name: The old address is dead, and its certificate's successor lasts
  virtops.kubevirt_ha.ha_probe:
    probes:
      - tcp: 10.77.0.99:8443
        expect: down
        fall: 3
      - url: https://shop.example.com/
        tls: {minimum_days: 21}
"""

RETURN = r"""
up:
  description: Whether all targets are up.
  type: bool
  returned: unless the parameters have faults
failed_probes:
  description: Names of the probes whose targets are not as expected.
  type: list
  elements: str
  returned: unless the parameters have faults
probes:
  description: One entry for each probe, in the order given.
  type: list
  elements: dict
  returned: unless the parameters have faults
  contains:
    name:
      description: Name.
      type: str
      returned: always
    kind:
      description: V(http), V(tcp) or V(guest).
      type: str
      returned: always
    expected:
      description: V(up) or V(down).
      type: str
      returned: always
    passed:
      description: Whether the target is as expected in every respect.
      type: bool
      returned: always
    faults:
      description: Why it is not, a sentence each.
      type: list
      elements: str
      returned: always
    up:
      description: Whether the target is up in the end.
      type: bool
      returned: always
    state:
      description: V(up), V(down), or none where neither had as many samples in a row as it needs.
      type: str
      returned: always
    samples:
      description: How many answers were got or waited for in vain.
      type: int
      returned: always
    failures:
      description: How many of them were no good answers.
      type: int
      returned: always
    missed_samples:
      description: How many fewer samples than O(probes[].for_seconds) asks for a busy host took.
      type: int
      returned: always
    success_ratio:
      description: The share of good answers.
      type: float
      returned: always
    longest_gap_seconds:
      description:
        - The longest time without a good answer, from the first question to the end. None where there was no good answer.
      type: float
      returned: always
    seconds:
      description: From the first question to the last answer.
      type: float
      returned: always
    latency_seconds:
      description: C(min), C(median), C(p95) and C(max) of the good answers; none without any.
      type: dict
      returned: always
    errors:
      description:
        - How many failures there were of each kind, such as V(refused), V(timeout), V(reset), V(unreachable), V(tls),
          V(dns), V(http 503), V(body), V(json), V(header), V(banner), V(certificate), V(protocol), V(no instance),
          V(not running), V(no address), V(no agent), V(api), V(local).
      type: dict
      returned: always
    first_failure:
      description: The first failure with C(kind), C(message), C(at) and C(after_seconds) from the first question.
      type: dict
      returned: always
    last_error:
      description: The last failure, in the same form.
      type: dict
      returned: always
    status:
      description: Status of the last answer by HTTP.
      type: int
      returned: always
    banner:
      description: What a TCP server sent first, where O(probes[].banner) is given.
      type: str
      returned: always
    certificate:
      description: When the server's certificate ends, as C(ends_at) and C(days_left).
      type: dict
      returned: always
    address:
      description: The guest's address.
      type: str
      returned: always
    guest_os:
      description: The guest's operating system, as its agent tells.
      type: str
      returned: always
    hostname:
      description: The guest's host name, as its agent tells.
      type: str
      returned: always
requests:
  description: How many requests were sent to the API server.
  returned: always
  type: dict
  contains:
    reads:
      description: Reads.
      type: int
      returned: always
    writes:
      description: Writes, always 0.
      type: int
      returned: always
    watches:
      description: Watches, always 0.
      type: int
      returned: always
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import ha_probe
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    ha_probe.run_module(Module(ha_probe.spec(), check=ha_probe.faults, connects=ha_probe.connects))


if __name__ == "__main__":
    main()
