package ratelimit

import (
	"fmt"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
)

// luaScript is the parameters as tables, and what is done with them.
//
// Envoy runs a script once for each worker, so its buckets are a worker's own:
// the limit is exact with one worker, and with n workers a user may have up to
// n times as much. The clock counts microseconds, the arithmetic is exact: whole
// numbers below 2^53.
func luaScript(spec function.Spec) (string, error) {
	s, err := specOf(spec)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("local limits = {\n")
	for _, name := range s.subscriptions() {
		limit, err := luaLimit(s.Limits[name])
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "  [%s] = %s,\n", luaText(name), limit)
	}
	others, err := luaLimit(s.Others)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "}\nlocal others = %s\nlocal paths = {\n", others)
	for _, path := range s.Paths {
		fmt.Fprintf(&b, "  [%s] = {},\n", luaText(path))
	}
	b.WriteString("}\n")
	b.WriteString(luaRest)
	return b.String(), nil
}

// luaLimit is a rate in units in which nothing is rounded, on a clock of
// microseconds.
func luaLimit(r Rate) (string, error) {
	per := int64(r.Per / time.Microsecond)
	d := gcd(r.Tokens, per)
	gain, token := r.Tokens/d, per/d
	const most = 1 << 53
	if r.Tokens > most/token {
		return "", fmt.Errorf("ratelimit: rate %s: a script's numbers are exact below 2^53, and a bucket would hold %d times %d", r, r.Tokens, token)
	}
	full := r.Tokens * token
	return fmt.Sprintf("{tokens = %d, gain = %d, token = %d, full = %d}", r.Tokens, gain, token, full), nil
}

// luaText is a text as Lua writes it: every byte that could mean something by
// its number.
func luaText(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		if c := text[i]; c == '"' || c == '\\' || c < ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "\\%03d", c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// luaRest decides. A bucket is its level and when it had it; full ones are
// forgotten whenever their number has doubled, which loses nothing.
const luaRest = `local held, sweep_at = 0, 1024

local function level(b, limit, now)
  local gap = now - b.at
  if gap <= 0 then return b.level end
  if gap >= (limit.full - b.level) / limit.gain then return limit.full end
  return b.level + gap * limit.gain
end

local function sweep(now)
  held = 0
  for _, subscriptions in pairs(paths) do
    for name, users in pairs(subscriptions) do
      local limit = limits[name] or others
      for user, b in pairs(users) do
        if level(b, limit, now) >= limit.full then users[user] = nil else held = held + 1 end
      end
    end
  end
  sweep_at = math.max(1024, 2 * held)
end

local function bucket(subscriptions, name, user, limit, now)
  local users = subscriptions[name]
  if not users then
    users = {}
    subscriptions[name] = users
  end
  local b = users[user]
  if not b then
    if held >= sweep_at then sweep(now) end
    b = {level = limit.full, at = now}
    users[user] = b
    held = held + 1
  end
  return b
end

local function text(n) return string.format("%d", n) end

function envoy_on_request(handle)
  local headers = handle:headers()
  local subscriptions = paths[string.match(headers:get(":path"), "^[^?]*")]
  if not subscriptions then return end
  local name, user = headers:get("x-subscription") or "", headers:get("x-user") or ""
  local limit = limits[name]
  if not limit or user == "" then name, user, limit = "", "", others end
  local now = tonumber(handle:timestampString(EnvoyTimestampResolution.MICROSECOND))
  local b = bucket(subscriptions, name, user, limit, now)
  local allowed
  b.level = level(b, limit, now)
  b.at = math.max(b.at, now)
  if b.level >= limit.token then
    b.level = b.level - limit.token
    allowed = true
  end
  local reset = 0
  if b.level < limit.token then reset = math.ceil((limit.token - b.level) / limit.gain / 1000000) end
  local remaining = math.floor(b.level / limit.token)
  if allowed then
    handle:streamInfo():dynamicMetadata():set("ratelimit", "said", text(limit.tokens) .. " " .. text(remaining) .. " " .. text(reset))
    return
  end
  handle:respond({
    [":status"] = "429",
    ["x-ratelimit-limit"] = text(limit.tokens),
    ["x-ratelimit-remaining"] = text(remaining),
    ["x-ratelimit-reset"] = text(reset),
    ["retry-after"] = text(math.max(1, reset)),
  }, "local_rate_limited")
end

function envoy_on_response(handle)
  local said = (handle:streamInfo():dynamicMetadata():get("ratelimit") or {}).said
  if not said then return end
  local limit, remaining, reset = string.match(said, "^(%d+) (%d+) (%d+)$")
  local headers = handle:headers()
  headers:add("x-ratelimit-limit", limit)
  headers:add("x-ratelimit-remaining", remaining)
  headers:add("x-ratelimit-reset", reset)
end
`
