# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the name server SERVER for the A record of NAME and prints the address; nodes have no tool that does."""

import socket
import struct
import sys

server, name = sys.argv[1:]
labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
question = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.settimeout(5)
    asking.sendto(question, (server, 53))
    answer = asking.recv(512)
if struct.unpack(">H", answer[6:8])[0] < 1:
    sys.exit(f"{server} knows no {name}: {answer!r}")
print(socket.inet_ntoa(answer[-4:]))  # the only record is the last of the answer
