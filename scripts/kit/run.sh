#!/usr/bin/env bash
# Checks and measures this machine's GPU:
#
#     run.sh OUT
#
# It needs no network, no Rust and no root, writes to OUT and to a temporary folder alone, and takes under eight minutes.
# Each step has a time limit and its result is in OUT as soon as it is there: devices.json, doctor.json, bench.json,
# sib200.json, pytorch.json, summary.json and log.txt. README.txt tells more.
#
#     RXLT_DEVICE            an adapter by number or name, where it is not the best one; the only way to a software driver
#     RXLT_KIT_SECONDS       how long all may take (450); limits are scaled with it
#     PYTHON                 a Python that has torch and transformers (python3)
#     RXLT_KIT_TORCH_DEVICE  where PyTorch computes (cuda)
#
# Exit codes: 0 all was made that could be, 4 the device computes something wrong, 69 no GPU, 73 OUT cannot be written.
set -uo pipefail

total=${RXLT_KIT_SECONDS:-450}
kit=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly WHOLE=450 # that the limits below are parts of
readonly LOGGED=400000 # bytes of a step's output that are logged

say() { printf '%s\n' "$*" | tee -a "$out/log.txt"; }

# Says what is wrong, and ends.
fail() {
  local code=$1
  shift
  printf 'error: %s\n' "$*" >&2
  exit "$code"
}

# Puts together what the steps have left so far.
gather() { rxlt kit "$steps" --output "$out" >"$scratch/summary.txt" 2>>"$out/log.txt"; }

# Seconds of the whole that are over when $1 of the $WHOLE are.
part() { echo $(($1 * total / WHOLE)); }

# Makes the folder of a step: its group, its name, and what will be called. Sets $folder.
new_step() {
  local group=$1 name=$2
  shift 2
  number=$((number + 1))
  folder=$steps/$(printf '%02d-%s' "$number" "$group")
  mkdir "$folder"
  printf 'group=%s\nname=%s\ncommand=%s\n' "$group" "$name" "${*//"$kit/"/}" >"$folder/step.txt"
}

# Runs a command in a step's folder, for $2 seconds at most and no longer than until $until.
make_step() {
  local folder=$1 limit=$(part "$2") left=$((until - SECONDS)) start code
  shift 2
  ((limit >= 1)) || limit=1
  ((limit <= left)) || limit=$left
  if ((limit < 1)); then
    echo "note=no time was left" >>"$folder/step.txt"
    return
  fi
  echo "limit=$limit" >>"$folder/step.txt"
  start=${EPOCHREALTIME/[.,]/}
  # In the background, so that Ctrl-C is heard at once.
  (cd "$folder" && exec timeout --kill-after=5 "$limit" "$@") >"$folder/stdout" 2>"$folder/stderr" &
  { wait $!; } 2>/dev/null # or the shell says on stderr that it was killed
  code=$?
  local taken=$((${EPOCHREALTIME/[.,]/} - start))
  printf 'seconds=%d.%03d\ncode=%d\n' $((taken / 1000000)) $((taken / 1000 % 1000)) "$code" >>"$folder/step.txt"
}

# Logs how a step went, and puts all together.
end_step() {
  local folder=$1 part
  {
    printf '\n== %s\n' "$(basename "$folder")"
    cat "$folder/step.txt"
    for part in stderr stdout; do
      [ -s "$folder/$part" ] && printf -- '-- %s\n' "$part" && tail -c "$LOGGED" "$folder/$part"
    done
  } >>"$out/log.txt"
  gather
}

# A step from beginning to end: group, name, limit, command.
step() {
  local group=$1 name=$2 limit=$3
  shift 3
  printf '%4d s  %s %s\n' "$SECONDS" "$group" "$name"
  new_step "$group" "$name" "$@"
  make_step "$folder" "$limit" "$@"
  end_step "$folder"
}

# A step that is not made, and why.
skip() {
  local group=$1 name=$2
  shift 2
  new_step "$group" "$name"
  echo "note=$*" >>"$folder/step.txt"
  end_step "$folder"
}

code_of() { sed -n 's/^code=//p' "$folder/step.txt"; }

# --- The program, and a place for it.

prepare() {
  [ -n "${1:-}" ] || fail 2 "where to? run.sh OUT"
  [[ $total =~ ^[1-9][0-9]{0,5}$ ]] || fail 2 "RXLT_KIT_SECONDS: expected a number of seconds, found $total"
  mkdir -p "$1" && out=$(cd "$1" && pwd) && : >"$out/log.txt" || fail 73 "$1 cannot be written: name another folder"
  local place
  for place in "${TMPDIR:-/tmp}" "$out"; do
    scratch=$(mktemp -d "$place/gpu-kit.XXXXXX" 2>/dev/null) || continue
    trap 'rm -rf "$scratch"' EXIT
    trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM
    mkdir "$scratch/bin"
    gzip -dc "$kit/rxlt.gz" >"$scratch/bin/rxlt" && chmod +x "$scratch/bin/rxlt"
    "$scratch/bin/rxlt" --version >>"$out/log.txt" 2>&1 && break # some systems start nothing from their /tmp
    rm -rf "$scratch"
    scratch=
  done
  [ -n "$scratch" ] || fail 70 "rxlt does not start here, see $out/log.txt; it needs $(cat "$kit/NEEDS")"
  steps=$scratch/steps number=0 until=$total
  mkdir "$steps"
  export PATH=$scratch/bin:$PATH XDG_CACHE_HOME=$scratch/cache NO_COLOR=1 PYTHONDONTWRITEBYTECODE=1
  export NODEVICE_SELECT=1 # without a desktop, a layer that sorts adapters complains on stderr
}

# --- Vulkan: a loader, and a driver's description where the system has none.

# The first of these libraries that the system has, by its whole path.
library() {
  local name place
  for name in "$@"; do
    for place in ${LD_LIBRARY_PATH:+${LD_LIBRARY_PATH//:/ }} /usr/lib/x86_64-linux-gnu /lib/x86_64-linux-gnu /usr/lib64 /usr/lib \
      /usr/local/lib /usr/local/nvidia/lib64 /run/opengl-driver/lib; do
      [ -e "$place/$name" ] && echo "$place/$name" && return
    done
    place=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | awk -v name="$name" '$1 == name { print $NF; exit }')
    [ -n "$place" ] && [ -e "$place" ] && echo "$place" && return
  done
  return 1
}

find_loader() {
  local found
  if found=$(library libvulkan.so.1); then
    say "Vulkan loader: $found"
  elif [ -e "$kit/lib/libvulkan.so.1" ]; then
    export LD_LIBRARY_PATH=$kit/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    say "Vulkan loader: the kit's own"
  else
    say "Vulkan loader: none, neither here nor in the kit"
  fi
}

sees_nvidia() { timeout 20 rxlt devices --json 2>/dev/null | grep -qi '"driver": "nvidia'; }

use_driver() { export VK_DRIVER_FILES=$1 VK_ICD_FILENAMES=$1; } # older loaders know the second name only

# Where there is an NVIDIA driver that Vulkan does not find: descriptions in folders where the loader does not look, then
# ones of our own. The library for EGL needs none of X's libraries, which servers and containers often lack.
find_nvidia() {
  local name found
  for found in /usr/local/nvidia/share/vulkan/icd.d/*.json /usr/local/share/vulkan/icd.d/nvidia*.json; do
    [ -e "$found" ] || continue
    use_driver "$found"
    sees_nvidia && say "Vulkan driver: $found" && return
  done
  for name in libGLX_nvidia.so.0 libEGL_nvidia.so.0; do
    found=$(library "$name") || continue
    printf '{ "file_format_version": "1.0.1", "ICD": { "library_path": "%s", "api_version": "1.3.242" } }\n' "$found" \
      >"$out/nvidia_icd.json"
    use_driver "$out/nvidia_icd.json"
    sees_nvidia && say "Vulkan driver: $found, which no file of this system describes; nvidia_icd.json does" && return
  done
  rm -f "$out/nvidia_icd.json"
  unset VK_DRIVER_FILES VK_ICD_FILENAMES
  say "Vulkan driver: there is an NVIDIA card, but no NVIDIA driver for Vulkan; a container needs NVIDIA_DRIVER_CAPABILITIES=all"
}

find_driver() {
  if [ -n "${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}" ]; then
    say "Vulkan driver: ${VK_DRIVER_FILES:-$VK_ICD_FILENAMES}, as the environment has it"
  elif { ls /dev/nvidia[0-9]* || library libGLX_nvidia.so.0 || library libEGL_nvidia.so.0; } >/dev/null 2>&1 && ! sees_nvidia; then
    find_nvidia
  fi
  local node
  for node in /dev/dri/renderD*; do
    [ ! -e "$node" ] || [ -w "$node" ] || say "note: $node cannot be opened: is this user in the group \"render\"?"
  done
}

# --- The steps.

check_device() {
  until=$(part 60)
  ((until >= 15)) || until=15 # without these two there is nothing to say
  step devices list 20 bash -c 'rxlt devices --json >result.json'
  step devices open 40 rxlt bench clip_factor --quick --backend wgpu --json result.json
  [ "$(code_of)" = 69 ] || return 0
  cat "$scratch/summary.txt" >>"$out/log.txt"
  cat "$scratch/summary.txt"
  fail 69 "there is no GPU to measure: $(tail -n 1 "$folder/stderr"); RXLT_DEVICE=NAME takes a software driver"
}

check_numbers() {
  until=$(part 165)
  if rxlt doctor --help >/dev/null 2>&1; then
    step doctor full 150 rxlt doctor --full --json result.json
  else
    skip doctor full "this rxlt has no doctor"
  fi
}

# The pieces that a training step consists of, and two whole steps; one process for each setting, the most telling first.
measure() {
  local size=$1 precision=$2 autotune=$3
  # Choices of kernels are made anew by each effort.
  XDG_CACHE_HOME=$scratch/cache-$autotune step bench "$size $precision $autotune" 30 rxlt bench --backend wgpu \
    --size "$size" --precision "$precision" --autotune "$autotune" --seconds 1 --json result.json \
    step/forward step/update linear matmul attention
}

measure_all() {
  local setting
  until=$(part 310)
  for setting in "base f32 off" "base f16 off" "base f16 quick" "base f32 quick" "small f32 off" "small f16 off" "large f32 off" \
    "large f16 off" "large f16 quick" "large f32 quick" "small f32 quick" "small f16 quick" "base f16 full" "base f32 full" \
    "large f16 full" "large f32 full" "small f32 full" "small f16 full"; do
    measure $setting
  done
  step bench "small on the CPU" 20 rxlt bench --backend cpu --size small --seconds 1 --json result.json step/forward step/update
}

# The same training twice, side by side.
train() {
  local gpu cpu options
  if [ ! -d "$kit/data/sib200" ]; then
    say "SIB-200 is not in this kit: the demo trains instead"
    options=(run demo)
  else
    options=(run "$kit/sib200.toml" --data "$kit/data")
  fi
  [ ! -d "$kit/weights" ] || options+=(--model "$kit/weights/xlmr-open")
  options+=(--progress plain --output run)
  until=$(part 370)
  printf '%4d s  sib200 gpu and cpu\n' "$SECONDS"
  new_step sib200 gpu rxlt "${options[@]}" --backend wgpu
  gpu=$folder
  new_step sib200 cpu rxlt "${options[@]}" --backend cpu
  cpu=$folder
  make_step "$gpu" 80 rxlt "${options[@]}" --backend wgpu &
  make_step "$cpu" 80 rxlt "${options[@]}" --backend cpu &
  wait
  end_step "$gpu"
  end_step "$cpu"
}

# An update of XLM-R base in PyTorch, which writes a line after each round: the last whole one is the result.
compare_with_pytorch() {
  local python=${PYTHON:-python3} device=${RXLT_KIT_TORCH_DEVICE:-cuda} setting name precision tf32 command
  until=$total
  if ! timeout 40 "$python" -c "import torch, transformers; torch.zeros(1, device='$device')" 2>"$scratch/python.txt"; then
    skip pytorch base "$python has no torch and transformers on $device: $(tail -n 1 "$scratch/python.txt")"
    return
  fi
  for setting in "f32 f32 off" "tf32 f32 on" "bf16 bf16 off" "f16 f16 off"; do
    read -r name precision tf32 <<<"$setting"
    [ "$tf32" = off ] || [ "$device" != cpu ] || continue # TF32 is cuda's
    command=("$python" "$kit/benches/peers/pytorch.py" --device "$device" --size base --work update --padding longest)
    command+=(--seconds 3 --precision "$precision" --tf32 "$tf32")
    printf '%4d s  pytorch base %s\n' "$SECONDS" "$name"
    new_step pytorch "base $name" "${command[@]}"
    make_step "$folder" 25 "${command[@]}"
    [ ! -e "$folder/stdout" ] || grep '^{.*}$' "$folder/stdout" | tail -n 1 >"$folder/line"
    [ ! -s "$folder/line" ] || mv "$folder/line" "$folder/result.json"
    end_step "$folder"
  done
}

main() {
  prepare "$@"
  say "GPU kit of $(rxlt --version), $(date -u +%Y-%m-%dT%H:%MZ), $total seconds"
  find_loader
  find_driver
  check_device
  check_numbers
  measure_all
  train
  compare_with_pytorch
  say ""
  tee -a "$out/log.txt" <"$scratch/summary.txt"
  printf '\nall of it is in %s\n' "$out"
  ! grep -qE '"outcome": "wrong"|"agrees": false' "$out/summary.json" || exit 4
}

main "$@"
