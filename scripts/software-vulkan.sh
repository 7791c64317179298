#!/usr/bin/env bash
# Installs a Vulkan driver that computes on the processor, where there is no GPU to test on: Mesa's lavapipe, from the
# backports of Debian 12 (version 25; Debian's own, 22.3.6, crashes at the first kernel). Needs root, changes nothing where
# lavapipe 25 or later is there.
set -euo pipefail

driver=/usr/share/vulkan/icd.d/lvp_icd.json
version() { dpkg-query --show --showformat '${Version}' mesa-vulkan-drivers 2> /dev/null || echo 0; }
if [ -e "$driver" ] && dpkg --compare-versions "$(version)" ge 25; then
    echo "$driver is there, Mesa $(version)"
    exit 0
fi
[ "$(id -u)" = 0 ] || { echo "installing a Vulkan driver needs root: run this once as root" >&2; exit 1; }
# From wherever this machine has its other packages; where it never asked, apt does not know them.
apt-get update -qq
mirror=$(apt-cache policy | grep -oE 'https?://[^ ]+/debian/? bookworm/main' | head -n 1 | cut -d' ' -f1)
[ -n "$mirror" ] || { echo "expected Debian 12 among the sources of apt; install Mesa 25 or later by hand" >&2; exit 1; }
echo "deb $mirror bookworm-backports main" > /etc/apt/sources.list.d/backports-of-mesa.list
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y -t bookworm-backports mesa-vulkan-drivers libvulkan1 > /dev/null
echo "installed Mesa $(version)"
