#!/usr/bin/env bash
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Asks promtool for the rules on its input where the host has none yet: out of Debian's package, which is not installed.
# Says `refused WORDS` of promtool's, or `unchecked WHY` where there is no package to be had.
# apt has files of its own for it, gone at the end: the host's own lists and packages stay as they are.
set -uo pipefail
umask 022 # apt asks as a user of its own, which reads some of the files
export LC_ALL=C

work=$(mktemp --directory) || exit
trap 'rm -rf "$work"' EXIT
chmod 0711 "$work"
mkdir --parents "$work/package" "$work/lists/partial" "$work/cache"
chown _apt "$work/package" 2>/dev/null
# None of the host's hooks, which may write elsewhere.
cat >"$work/apt.conf" <<CONF
Dir::State::Lists "$work/lists";
Dir::Cache "$work/cache";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF

take() {
  cd "$work/package" || return
  timeout 120 apt-get --config-file "$work/apt.conf" -qq update </dev/null # of several sources one may be away: the package decides
  timeout 300 apt-get --config-file "$work/apt.conf" -qq download prometheus </dev/null &&
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar --extract --to-stdout ./usr/bin/promtool >"$work/promtool" &&
    chmod 0755 "$work/promtool" && "$work/promtool" --version
}

if said=$(take 2>&1); then
  "$work/promtool" check rules /dev/stdin 2>&1 >/dev/null | sed 's/^/refused /'
else
  cat >/dev/null
  echo "unchecked $(tail --lines 1 <<<"$said")"
fi
exit 0
