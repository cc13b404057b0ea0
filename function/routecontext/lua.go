package routecontext

import (
	"fmt"
	"strings"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// luaScript is the rules as a table, and what is done with them.
func luaScript(spec function.Spec) (string, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("local rules = {\n")
	for _, r := range s.Rules {
		fmt.Fprintf(&b, "  {says = %s", luaText(dataplane.ServiceOf(r.Service)))
		for _, c := range r.When {
			name := c.Name
			if c.From == Claim {
				name = Claims()[name]
			}
			fmt.Fprintf(&b, ", {from = %s, name = %s, match = %s, value = %s}", luaText(string(c.From)), luaText(name), luaText(string(c.Match)), luaText(c.Value))
		}
		b.WriteString("},\n")
	}
	fmt.Fprintf(&b, "}\nlocal header, otherwise = %s, %s\n", luaText(RouteHeader), luaText(dataplane.ServiceOf(0)))
	b.WriteString(luaRest)
	return b.String(), nil
}

// luaText is a text as Lua writes it.
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

// luaRest decides. Every source gives the values that a condition looks at.
const luaRest = `
local function copies(h, name)
  local all = {}
  for i = 0, h:getNumValues(name) - 1 do all[i + 1] = h:getAtIndex(name, i) or "" end
  return all
end

local function cookie(h, name)
  for _, line in ipairs(copies(h, "cookie")) do
    for pair in string.gmatch(line, "[^;]+") do
      local k, v = string.match(pair, "^ *([^=]*)=(.*)$")
      if k == name then
        return {string.match(v, '^"(.*)"$') or v}
      end
    end
  end
  return {}
end

local function parameter(h, name)
  local path = h:get(":path")
  local at = string.find(path, "?", 1, true)
  if not at then return {} end
  for pair in string.gmatch(string.sub(path, at + 1), "[^&]+") do
    local eq = string.find(pair, "=", 1, true)
    if string.sub(pair, 1, (eq or #pair + 1) - 1) == name then
      return {eq and string.sub(pair, eq + 1) or ""}
    end
  end
  return {}
end

local function identities(h)
  local text = table.concat(copies(h, "x-forwarded-client-cert"), ",")
  local uris, quoted, from, i = {}, false, 1, 1
  while i <= #text + 1 do
    local c = string.sub(text, i, i)
    if quoted and c == "\\" then
      i = i + 1
    elseif c == '"' then
      quoted = not quoted
    elseif c == "" or not quoted and (c == "," or c == ";") then
      local uri = string.match(string.sub(text, from, i - 1), "^URI=(.*)$")
      if uri then uris[#uris + 1] = uri end
      if c == "," then uris = {} end
      from = i + 1
    end
    i = i + 1
  end
  return uris
end

local sources = {
  header = function(h, name) return copies(h, name) end,
  claim = function(h, name)
    local v = h:get(name)
    if not v or v == "" then return {} end
    return {v}
  end,
  method = function(h) return {h:get(":method")} end,
  cookie = cookie,
  query = parameter,
  identity = identities,
}

local function holds(h, c)
  for _, v in ipairs(sources[c.from](h, c.name)) do
    if c.match == "present" or c.match == "exact" and v == c.value
      or c.match == "prefix" and string.sub(v, 1, #c.value) == c.value then return true end
  end
  return false
end

local function service(h)
  for _, rule in ipairs(rules) do
    local all = true
    for _, c in ipairs(rule) do
      if not holds(h, c) then
        all = false
        break
      end
    end
    if all then return rule.says end
  end
  return otherwise
end

function envoy_on_request(handle)
  local h = handle:headers()
  h:replace(header, service(h))
  handle:clearRouteCache()
end
`
