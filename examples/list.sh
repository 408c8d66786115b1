#!/usr/bin/env bash
# List all custom models, one JSON object a line, with curl (7.76 or newer) and jq (1.6 or newer).
#
#   list.sh https://ID.execute-api.us-east-1.amazonaws.com/dev/ nameContains=churn isOwned=true
#
# Signs where AWS_ACCESS_KEY_ID is in the environment, for AWS_REGION; `make run` needs no signature.
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

# In a file, as each attempt of --retry overwrites the one before. It waits for as long as Retry-After says.
options=(--silent --show-error --fail-with-body --max-time 35 --retry 4 --output "$page")
if [[ -n ${AWS_ACCESS_KEY_ID-} ]]; then
  options+=(--aws-sigv4 "aws:amz:${AWS_REGION:?must be set to sign}:execute-api"
    --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY")
  [[ -z ${AWS_SESSION_TOKEN-} ]] || options+=(--header "x-amz-security-token: $AWS_SESSION_TOKEN")
fi

while true; do
  # Encoded and in order, as the signature needs it.
  query=$(jq -nr '$ARGS.positional | sort | map(split("=") | "\(.[0] | @uri)=\(.[1:] | join("=") | @uri)") | join("&")' \
    --args "$@" ${cursor:+"cursor=$cursor"})
  if ! curl "${options[@]}" "${url%/}/v1/custom-models?$query"; then
    jq -r '"list.sh: \(.detail)"' "$page" >&2 || true
    exit 1
  fi
  jq -c '.modelSummaries[]' "$page"
  # Nothing else is the end: a page may be short, or empty.
  cursor=$(jq -r '.nextCursor // empty' "$page")
  [[ -n $cursor ]] || break
done
