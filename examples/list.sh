#!/usr/bin/env bash
# List all custom models, one JSON object per line. Needs curl 7.76 and jq 1.6, or newer.
#
#   list.sh https://ID.execute-api.us-east-1.amazonaws.com/dev/ nameContains=churn isOwned=true
#
# Signs requests if AWS_ACCESS_KEY_ID is set: for the region in the URL, or else for AWS_REGION or AWS_DEFAULT_REGION.
# `make run` needs no signature.
set -euo pipefail

if (($# == 0)); then
  echo "usage: list.sh URL [NAME=VALUE ...]" >&2
  exit 2
fi
url=$1
shift
# The largest page, so that a listing needs the fewest requests.
[[ " $*" == *" maxItems"* ]] || set -- maxItems=1000 "$@"
cursor=

page=$(mktemp)
trap 'rm -f "$page"' EXIT

# Write to a file: each attempt of --retry overwrites it. Between attempts, curl waits as Retry-After says,
# and --retry-max-time limits that: curl may read a date in the past as a very long time.
options=(--silent --show-error --fail-with-body --max-time 35 --retry 4 --retry-max-time 240 --output "$page")
if [[ -n ${AWS_ACCESS_KEY_ID-} ]]; then
  region=${AWS_REGION:-${AWS_DEFAULT_REGION-}}
  [[ ! $url =~ \.execute-api\.([a-z0-9-]+)\. ]] || region=${BASH_REMATCH[1]}
  [[ -n $region ]] || { echo "list.sh: set AWS_REGION to sign requests" >&2; exit 2; }
  options+=(--aws-sigv4 "aws:amz:$region:execute-api"
    --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY")
  [[ -z ${AWS_SESSION_TOKEN-} ]] || options+=(--header "x-amz-security-token: $AWS_SESSION_TOKEN")
fi

while true; do
  # The signature needs the parameters encoded and sorted.
  query=$(jq -nr '$ARGS.positional | sort | map(split("=") | "\(.[0] | @uri)=\(.[1:] | join("=") | @uri)") | join("&")' \
    --args "$@" ${cursor:+"cursor=$cursor"})
  if ! curl "${options[@]}" "${url%/}/v1/custom-models?$query"; then
    jq -r '"list.sh: \(.detail)"' "$page" >&2 || true
    exit 1
  fi
  # Anything else, such as the login page of a proxy, must not look like an empty listing.
  if ! jq -es 'length == 1 and (.[0].modelSummaries | type == "array")' "$page" >/dev/null 2>&1; then
    echo "list.sh: the response is not a listing: $(head -c 200 "$page" | tr -d '\0')" >&2
    exit 1
  fi
  jq -c '.modelSummaries[]' "$page"
  # Only a missing nextCursor means the end: a page may be short or empty.
  cursor=$(jq -r '.nextCursor // empty' "$page")
  [[ -n $cursor ]] || break
done
