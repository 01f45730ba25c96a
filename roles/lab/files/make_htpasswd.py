# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes USER and the bcrypt hash of the password in PASSWORD_FILE to HTPASSWD_FILE."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bcrypt

user, password_file, htpasswd_file = sys.argv[1:]
hashed = bcrypt.hashpw(Path(password_file).read_bytes().strip(), bcrypt.gensalt(rounds=4)).decode()
os.umask(0o077)
Path(htpasswd_file).write_text(f"{user}:{hashed}\n")
