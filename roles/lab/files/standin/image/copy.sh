# copy.sh MODE TARGET PATH...: copy a disk image (MODE disk) or kernel and initrd (MODE boot) out of this image.
# Runs by the static busybox that the first container put there; the image need hold nothing but its files.
set -eu
b=${0%/*}/busybox
mode=$1 target=$2
shift 2
$b mkdir -p "$target"
if [ "$mode" = boot ]; then
    [ -z "${1:-}" ] || $b cp "$1" "$target/kernel"
    [ -z "${2:-}" ] || $b cp "$2" "$target/initrd"
    exit 0
fi
path=${1:-}
if [ -z "$path" ]; then
    for file in /disk/*; do
        [ -f "$file" ] && path=$file && break
    done
fi
[ -n "$path" ] || { echo "no disk image below /disk" >&2; exit 1; }
$b cp "$path" "$target/disk.img"
