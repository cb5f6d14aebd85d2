#!/usr/bin/env bash
# Prints the GPUs of this machine for Spark: {"name": "gpu", "addresses": ["0", "1"]}.
# If CUDA_VISIBLE_DEVICES is set, addresses are indices into that list, as CUDA and bert_spark count them. Like CUDA, this
# script reads the list up to the first entry that names no GPU (-1, NoDevFiles). MIG slices are addressed by their UUIDs: a
# process can use one slice only.
# Without a GPU or a driver the exit code is 3, with the reason on standard error.
set -euo pipefail

fail() {
  printf 'discover_gpus.sh: %s\n' "$1" >&2
  exit 3
}

print_addresses() { # one argument for each address
  local list
  list=$(printf '"%s", ' "$@")
  printf '{"name": "gpu", "addresses": [%s]}\n' "${list%, }"
}

command -v nvidia-smi >/dev/null ||
  fail "nvidia-smi not found on this machine's PATH; install the NVIDIA driver, or ask Spark for no GPU here"
listed=$(nvidia-smi -L 2>&1) || fail "nvidia-smi failed; repair the NVIDIA driver: ${listed%%$'\n'*}"

is_listed() { # GPU number or beginning of a UUID
  if [[ $1 =~ ^[0-9]+$ ]]; then grep -q "^GPU $1:" <<<"$listed"; else grep -qF "(UUID: $1" <<<"$listed"; fi
}

if [ -n "${CUDA_VISIBLE_DEVICES+set}" ]; then
  IFS=', ' read -r -a named <<<"$CUDA_VISIBLE_DEVICES" || true
  cards=()
  for card in "${named[@]}"; do
    is_listed "$card" || break
    cards+=("$card")
  done
  [ "${#cards[@]}" -gt 0 ] ||
    fail "CUDA_VISIBLE_DEVICES='$CUDA_VISIBLE_DEVICES' hides every GPU; unset it or name GPUs that nvidia-smi -L lists"
  [[ ${cards[0]} != MIG-* ]] || { print_addresses "${cards[@]}" && exit; }
  # shellcheck disable=SC2046 # one argument for each index
  print_addresses $(seq 0 $((${#cards[@]} - 1)))
  exit
fi

addresses=()
card=''
while IFS= read -r line; do # "GPU 0: NAME (UUID: GPU-x)", then its slices: "  MIG 1g.10gb Device 0: (UUID: MIG-x)"
  if [[ $line =~ ^GPU\ ([0-9]+): ]]; then
    [ -z "$card" ] || addresses+=("$card")
    card=${BASH_REMATCH[1]}
  elif [[ $line =~ UUID:\ (MIG-[^\)]+)\) ]]; then
    addresses+=("${BASH_REMATCH[1]}")
    card=''
  fi
done <<<"$listed"
[ -z "$card" ] || addresses+=("$card")
[ "${#addresses[@]}" -gt 0 ] || fail "nvidia-smi lists no GPU: ${listed%%$'\n'*}"
print_addresses "${addresses[@]}"
