#!/usr/bin/env bash
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Takes Kubernetes' programs from an apt repository without installing its packages: an upgrade needs two versions beside each other.
# `list` says each program and version that it has; `fetch VERSION FOLDER PROGRAM...` puts programs into a folder.
# REPOSITORY: as in a line of sources.list; KEY: what signs it, in base64.
# apt has files of its own for it, gone at the end: the host's own packages neither wait for this repository nor come from it.
set -euo pipefail
umask 022 # apt asks as a user of its own, which reads some of the files
exec 2>&1 # a terminal has one channel
export LC_ALL=C

work=$(mktemp --directory) new=
trap 'rm -rf "$work" "$new"' EXIT
chmod 0711 "$work"
mkdir --parents "$work/packages" "$work/lists/partial" "$work/cache"
chown _apt "$work/packages"

base64 --decode <<<"$KEY" >"$work/key.gpg"
key=$work/key.gpg
if grep --quiet --text -e '-----BEGIN PGP PUBLIC KEY BLOCK-----' "$key"; then
  key=$work/key.asc # apt goes by the name
  mv "$work/key.gpg" "$key"
fi
(umask 077 && echo "deb [signed-by=$key] $REPOSITORY" >"$work/sources.list") # the address may have a login in it
# Whatever the host's apt may bear, nothing unsigned; none of its hooks.
cat >"$work/apt.conf" <<CONF
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$work/lists";
Dir::State::Status "/dev/null";
Dir::Cache "$work/cache";
APT::Default-Release "";
Acquire::Languages "none";
Acquire::http::Timeout "10";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF
apt-get --config-file "$work/apt.conf" -qq update

case $1 in
  list)
    # Without the package's revision, and a pre-release as Kubernetes writes it.
    apt-cache --config-file "$work/apt.conf" madison kubeadm kubectl kubelet |
      awk '{sub(/-[^-]*$/, "", $3); sub(/~/, "-", $3); print $1, $3}'
    ;;
  fetch)
    version=$2 folder=$3
    shift 3
    cd "$work/packages"
    for program in "$@"; do
      apt-get --config-file "$work/apt.conf" -qq download "$program=${version/-/\~}-*"
      new=$folder/.$program.new # has its name when it is whole
      dpkg-deb --fsys-tarfile "$program"_*.deb | tar --extract --to-stdout "./usr/bin/$program" >"$new"
      chmod 0755 "$new"
      mv "$new" "$folder/$program"
    done
    ;;
esac
