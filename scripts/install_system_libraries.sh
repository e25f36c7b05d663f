#!/usr/bin/env bash
# Install with apt what venv, Qt and a virtual screen need, where this is Debian or Ubuntu and we are root.
# Usage: install_system_libraries.sh PYTHON STAMP; touches STAMP when nothing is missing (any more).
set -euo pipefail
python=$1
stamp=$2

packages=(
    xvfb xauth libegl1 libgl1 libglx-mesa0 libgl1-mesa-dri libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
    libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libdbus-1-3
    libfontconfig1
)

find_missing() {
    local package
    for package in "${packages[@]}"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
    # Its package is called libglib2.0-0t64 on newer systems, where apt still answers to the old name.
    PATH="$PATH:/sbin:/usr/sbin" ldconfig -p | grep libglib-2.0.so.0 >/dev/null || echo libglib2.0-0
    # Debian takes ensurepip out of its own Pythons only.
    "$python" -c 'import ensurepip' 2>/dev/null ||
        "$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
}

done_with() {
    mkdir -p "$(dirname "$stamp")"
    touch "$stamp"
    exit 0
}

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || done_with
mapfile -t missing < <(find_missing)
[ "${#missing[@]}" -eq 0 ] && done_with

if [ "$(id -u)" -ne 0 ]; then
    echo "System libraries are missing and only root may install them. If the window does not open, run:" >&2
    echo "    sudo apt-get install ${missing[*]}" >&2
    exit 0
fi

export DEBIAN_FRONTEND=noninteractive
echo "Installing system libraries: ${missing[*]}"
apt-get update -qq </dev/null
apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
done_with
