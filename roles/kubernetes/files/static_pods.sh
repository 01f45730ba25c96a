#!/usr/bin/env bash
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Brings this host's static pods up to date, one after the other, each ready before the next.
# $1: address:port of this host's kube-apiserver; $2: kubeadm's configuration; then what is new:
# `configuration` (manifests are made anew), `files` (kube-apiserver reads them when it starts), `certificates` (all read them).
# Asks neither API nor VIP, so that it also mends a cluster whose certificates have ended.
set -euo pipefail
server=$1 config=$2
shift 2
new=" $* "
manifests=${MANIFESTS:-/etc/kubernetes/manifests}
patience=${PATIENCE:-360} # A container that ended several times is started again after up to five minutes.

container() { # of a component: the one that runs
  local label=labels.\"io.kubernetes id
  for id in $(ctr --namespace k8s.io containers list --quiet "$label.pod.namespace\"==kube-system,$label.container.name\"==$1"); do
    ctr --namespace k8s.io tasks list | awk -v id="$id" '$1 == id && $3 == "RUNNING" {print $1}'
  done
}

ready() { # component; the ports are kubeadm's
  case $1 in
    etcd) url=http://127.0.0.1:2381/health ;;
    kube-apiserver) url=https://$server/readyz ;;
    kube-controller-manager) url=https://127.0.0.1:10257/healthz ;;
    kube-scheduler) url=https://127.0.0.1:10259/readyz ;;
  esac
  curl --noproxy '*' --silent --fail --insecure --max-time 2 --output /dev/null "$url"
}

for component in etcd kube-apiserver kube-controller-manager kube-scheduler; do
  manifest=$manifests/$component.yaml
  [[ $component != etcd || -e $manifest ]] || continue # an external one
  before=$(container "$component")
  sum=$(sha256sum <"$manifest")
  if [[ $component != etcd && $new == *" configuration "* ]]; then
    kubeadm init phase control-plane "${component#kube-}" --config "$config"
  fi
  if [[ $(sha256sum <"$manifest") != "$sum" ]]; then
    : # The kubelet sees the new manifest by itself.
  elif [[ $new == *" certificates "* || ($component == kube-apiserver && $new == *" files "*) ]]; then
    # The kubelet starts it again. One that is down reads what is new by itself.
    [[ -z $before ]] || ctr --namespace k8s.io tasks kill --signal SIGTERM "$before"
  else
    before=
  fi
  end=$((SECONDS + patience))
  until now=$(container "$component") && [[ -n $now && (-z $before || $now != *"$before"*) ]] && ready "$component"; do
    if ((SECONDS > end)); then
      echo "$component is not ready again after $patience s; its log is in /var/log/pods/kube-system_$component-*" >&2
      exit 1
    fi
    sleep 1
  done
done
