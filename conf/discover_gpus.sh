#!/usr/bin/env bash
# Tells Spark which GPUs this machine has: {"name": "gpu", "addresses": ["0", "1"]} on standard output.
# Where CUDA_VISIBLE_DEVICES narrows the list, addresses are indices into it, as CUDA and bert_spark count them; like CUDA it
# reads that list up to the first entry that names no card (-1, NoDevFiles). MIG slices are named by their UUIDs: a process
# can use one of them only.
# Exit code 3 and the reason on standard error when there is no GPU, or no driver.
set -euo pipefail

fail() {
  printf 'discover_gpus.sh: %s\n' "$1" >&2
  exit 3
}

print_addresses() { # one address an argument
  local list
  list=$(printf '"%s", ' "$@")
  printf '{"name": "gpu", "addresses": [%s]}\n' "${list%, }"
}

command -v nvidia-smi >/dev/null ||
  fail "nvidia-smi not found on this machine's PATH; install the NVIDIA driver, or ask Spark for no GPU here"
listed=$(nvidia-smi -L 2>&1) || fail "nvidia-smi failed; mend the driver: ${listed%%$'\n'*}"

is_listed() { # a card's number, or the beginning of a UUID
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
    fail "CUDA_VISIBLE_DEVICES='$CUDA_VISIBLE_DEVICES' hides every GPU; unset it or name cards that nvidia-smi -L lists"
  [[ ${cards[0]} != MIG-* ]] || { print_addresses "${cards[@]}" && exit; }
  # shellcheck disable=SC2046 # one index an argument
  print_addresses $(seq 0 $((${#cards[@]} - 1)))
  exit
fi

addresses=()
card=''
while IFS= read -r line; do # "GPU 0: NAME (UUID: GPU-x)", and beneath it "  MIG 1g.10gb Device 0: (UUID: MIG-x)"
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
