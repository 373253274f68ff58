#!/usr/bin/env bash
# Builds target/gpu-kit: what checks and measures a machine's GPU without Rust, network or root. CONTRIBUTING.md tells how
# it is used.
#
#     scripts/gpu_kit.sh                 from a build of the profile `dist`
#     scripts/gpu_kit.sh --binary FILE   from a binary that is there
#
# SIB-200 travels along where ../shared/data (or RXLT_SHARED/data) has it, and Vulkan's loader where this system has one.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly MOST=$((30 * 1024 * 1024)) # bytes of the kit
shared=${RXLT_SHARED:-../shared}
kit=target/gpu-kit new=target/gpu-kit.new

say() { printf '%s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

find_binary() {
  case "${1:-}" in
    --binary) binary=${2:?--binary: which file?} ;;
    "") cargo build --profile dist && binary=target/dist/rxlt ;;
    *) fail "expected nothing or --binary FILE, found $1" ;;
  esac
  [ -x "$binary" ] || fail "$binary is no program"
}

# The program, and what of the system it needs.
pack_binary() {
  strip -o "$new/rxlt" "$binary"
  local glibc
  glibc=$(objdump -T "$new/rxlt" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
  echo "$(uname -s) on $(uname -m) with ${glibc/_/ } or later" >"$new/NEEDS"
  gzip -9 <"$new/rxlt" >"$new/rxlt.gz"
}

pack_loader() {
  local loader
  loader=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p | awk '$1 == "libvulkan.so.1" { print $NF; exit }')
  if [ -z "$loader" ]; then
    say "note: this system has no Vulkan loader, so none travels along"
    return
  fi
  mkdir "$new/lib"
  cp -L "$loader" "$new/lib/libvulkan.so.1"
  # Khronos' loader is under Apache-2.0, which asks that its notice goes with it.
  cp /usr/share/doc/libvulkan1/copyright "$new/lib/libvulkan.copyright" ||
    fail "the loader's licence is not in /usr/share/doc/libvulkan1: install Debian's libvulkan1"
}

# English to train on, and the languages that are measured.
pack_data() {
  local from=$shared/data/sib200 unpacked='' language part
  if [ ! -d "$from" ] && [ -e "$from.tar.xz" ]; then
    unpacked=$(mktemp -d)
    tar -xJf "$from.tar.xz" -C "$unpacked"
    from=$unpacked/sib200
  fi
  if [ ! -d "$from" ]; then
    say "note: $from is not there, so SIB-200 does not travel along, and the kit trains the demo"
    return
  fi
  for language in $(grep -oE '[a-z]{3}_[A-Z][a-z]{3}' scripts/kit/sib200.toml); do
    mkdir -p "$new/data/sib200/$language"
    for part in dev test; do cp "$from/$language/$part.tsv" "$new/data/sib200/$language/"; done
  done
  cp "$from/eng_Latn/train.tsv" "$new/data/sib200/eng_Latn/"
  cp "$from/SOURCE.txt" "$new/data/sib200/"
  [ -z "$unpacked" ] || rm -r "$unpacked"
}

# The encoder that ships, unless the program holds it: then it trains in a folder where nothing else is.
pack_weights() {
  local empty program
  empty=$(mktemp -d) program=$PWD/$new/rxlt
  if (cd "$empty" && "$program" run demo --backend cpu --dry-run >/dev/null 2>&1); then
    say "the encoder is in the program"
  else
    mkdir "$new/weights"
    cp -r weights/xlmr-open weights/README.md "$new/weights/"
  fi
  rm -r "$empty"
}

pack_all() {
  rm -rf "$new"
  mkdir -p "$new/benches"
  cp scripts/kit/run.sh scripts/kit/sib200.toml scripts/kit/README.txt LICENSE-MIT LICENSE-APACHE "$new/"
  mkdir "$new/benches/peers" "$new/benches/lengths"
  cp benches/peers/pytorch.py benches/peers/batches.py "$new/benches/peers/"
  cp benches/lengths/xnli.txt "$new/benches/lengths/"
  pack_binary
  pack_loader
  pack_data
  pack_weights
  rm "$new/rxlt"
}

find_binary "$@"
pack_all
bytes=$(du -sb "$new" | cut -f 1)
((bytes <= MOST)) || fail "$new has $bytes bytes, expected $MOST at most: it must travel easily"
rm -rf "$kit"
mv "$new" "$kit"
say "$kit: $((bytes / 1024 / 1024)) MiB, needs $(cat "$kit/NEEDS")"
