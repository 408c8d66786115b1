#!/usr/bin/env bash
# List all custom models, one JSON object per line. Needs curl 7.76 and jq 1.6, or newer.
#
#   list.sh https://ID.execute-api.us-east-1.amazonaws.com/dev/ nameContains=churn isOwned=true
#
# Add allowPartial=true to list what can be listed when an account or a region of the inventory fails. The exit status
# is 0 if the listing is complete, 3 if it is not (the models are printed, and a line on stderr names the missing
# sources), 1 after an error (nothing is printed), and 2 if the arguments are wrong.
#
# Signs requests if AWS_ACCESS_KEY_ID is set: for the region in the URL, or else for AWS_REGION or AWS_DEFAULT_REGION.
# Without credentials, only requests to this machine are sent, unsigned: `make run` needs no signature. Redirects are not
# followed, because a signature is for one host only.
set -euo pipefail

fail() {
  echo "list.sh: $1" >&2
  exit 1
}

# In curl's arguments, other users of this machine could read them with `ps`.
credentials() {
  [[ -z ${AWS_ACCESS_KEY_ID-} ]] || printf 'user = "%s:%s"\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY"
  [[ -z ${AWS_ACCESS_KEY_ID-} || -z ${AWS_SESSION_TOKEN-} ]] ||
    printf 'header = "x-amz-security-token: %s"\n' "$AWS_SESSION_TOKEN"
}

if (($# == 0)); then
  echo "usage: list.sh URL [NAME=VALUE ...]" >&2
  exit 2
fi
url=$1
shift
# The host has no user name before it: http://127.0.0.1@example.com is not this machine.
[[ $url =~ ^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[^?#[:space:][:cntrl:]]*)?$ ]] ||
  fail "the URL must start with http:// or https:// and the name of a host"
host=${BASH_REMATCH[1]}
# The largest page, so that a listing needs the fewest requests.
[[ " $*" == *" maxItems"* ]] || set -- maxItems=1000 "$@"
cursor=
walk=1

# The models are printed at the end, because the listing may have to start again.
page=$(mktemp)
models=$(mktemp)
trap 'rm -f "$page" "$models"' EXIT

# Write to a file: each attempt of --retry overwrites it. Between attempts, curl waits as Retry-After says,
# and --retry-max-time limits that: curl may read a date in the past as a very long time.
options=(--silent --show-error --fail-with-body --max-time 35 --retry 4 --retry-max-time 240 --output "$page"
  --globoff --no-location --write-out '%{redirect_url}')
here=
case $host in 127.0.0.1 | localhost | '[::1]') here=1 options+=(--noproxy '*') ;; esac
if [[ -n ${AWS_ACCESS_KEY_ID-} ]]; then
  region=${AWS_REGION:-${AWS_DEFAULT_REGION-}}
  [[ ! $host =~ \.execute-api\.([a-z0-9-]+)\. ]] || region=${BASH_REMATCH[1]}
  [[ -n $region ]] || fail "set AWS_REGION to sign requests"
  [[ -n ${AWS_SECRET_ACCESS_KEY-} ]] || fail "set AWS_SECRET_ACCESS_KEY too"
  [[ $region$AWS_ACCESS_KEY_ID$AWS_SECRET_ACCESS_KEY${AWS_SESSION_TOKEN-} != *[[:space:][:cntrl:]\"\\]* ]] ||
    fail "the AWS credentials or the region have a space, a control character, a quote or a backslash"
  options+=(--aws-sigv4 "aws:amz:$region:execute-api")
elif [[ -z $here ]]; then
  fail "there are no AWS credentials: unsigned requests are sent to this machine only (127.0.0.1, localhost, [::1]); \
run: eval \"\$(aws configure export-credentials --format env)\""
fi

is_listing='length == 1 and (.[0]
  | (.modelSummaries | type == "array")
    and (.nextCursor | . == null or type == "string")
    and (.coverage | . == null or .complete == true or (.complete == false
      and ([.sources, .listed] | all(type == "number"))
      and (.unreachable | type == "array" and all(has("source") and has("problem"))))))'

while true; do
  # The signature needs the parameters encoded and sorted.
  query=$(jq -nr '$ARGS.positional | sort | map(split("=") | "\(.[0] | @uri)=\(.[1:] | join("=") | @uri)") | join("&")' \
    --args "$@" ${cursor:+"cursor=$cursor"})
  : >"$page"
  status=0
  redirect=$(curl --config <(credentials) "${options[@]}" "${url%/}/v1/custom-models?$query") || status=$?
  if ((status != 0)); then
    ((status == 22)) && [[ -s $page ]] || exit 1 # no response, or only a part of one: curl has said why
    message=$(jq -er '"\(.detail | strings) (\(if .source then "source \(.source), " else "" end)request \(.requestId))"' \
      "$page" 2>/dev/null) || message=$(head -c 200 "$page" | tr -d '\0') # not from the API, but from a proxy
    echo "list.sh: $message" >&2
    # After an expired cursor, or a change of the inventory, only a new listing can succeed. It is tried three times.
    if ((walk < 3)) && jq -e '.type | test(":(expired-cursor|cursor-mismatch)$")' "$page" >/dev/null 2>&1; then
      echo "list.sh: starting again" >&2
      walk=$((walk + 1)) cursor=
      : >"$models"
      continue
    fi
    exit 1
  fi
  [[ -z $redirect ]] || fail "redirects are not followed: $redirect"
  # Anything else, such as the login page of a proxy, must not look like an empty listing.
  jq -es "$is_listing" "$page" >/dev/null 2>&1 ||
    fail "the response is not a listing: $(head -c 200 "$page" | tr -d '\0')"
  jq -c '.modelSummaries[]' "$page" >>"$models"
  # Only a missing nextCursor means the end: a page may be short or empty.
  cursor=$(jq -r '.nextCursor // empty' "$page")
  [[ -n $cursor ]] || break
  [[ ! -t 2 ]] || echo "list.sh: $(wc -l <"$models") models so far" >&2
done
cat "$models"

# The last page's coverage is that of the whole listing.
jq -r 'if .coverage then .coverage | select(.complete | not)
  | "list.sh: INCOMPLETE: \(.sources - .listed) of \(.sources) sources missing: " + (
      [.unreachable[:10][] | "\(.source) (\(.problem))"]
      + if .unreachable[10] then ["and \((.unreachable | length) - 10) more"] else [] end
      | join(", "))
  else "list.sh: the API does not report coverage: it is an older version, which lists one account in one region"
  end' "$page" >&2
jq -e 'if .coverage then .coverage.complete else true end' "$page" >/dev/null || exit 3
