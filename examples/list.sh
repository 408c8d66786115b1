#!/usr/bin/env bash
# List all custom models, one JSON object per line. Needs curl 7.76 and jq 1.6, or newer.
#
#   list.sh https://ID.execute-api.us-east-1.amazonaws.com/dev/ nameContains=churn isOwned=true
#
# Signs requests for AWS_REGION if AWS_ACCESS_KEY_ID is set. `make run` needs no signature.
set -euo pipefail

if (($# == 0)); then
  echo "usage: list.sh URL [NAME=VALUE ...]" >&2
  exit 2
fi
url=$1
shift
cursor=

page=$(mktemp)
trap 'rm -f "$page"' EXIT

# Write to a file: each attempt of --retry overwrites it. Between attempts, curl waits as Retry-After says.
options=(--silent --show-error --fail-with-body --max-time 35 --retry 4 --output "$page")
if [[ -n ${AWS_ACCESS_KEY_ID-} ]]; then
  options+=(--aws-sigv4 "aws:amz:${AWS_REGION:?must be set to sign}:execute-api"
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
  jq -c '.modelSummaries[]' "$page"
  # Only a missing nextCursor means the end: a page may be short or empty.
  cursor=$(jq -r '.nextCursor // empty' "$page")
  [[ -n $cursor ]] || break
done
