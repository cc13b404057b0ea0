package headermutation

import (
	"fmt"
	"strings"

	"github.com/taremesh/tare/function"
)

// luaScript is the changes, one after the other.
func luaScript(spec function.Spec) (string, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, side := range []struct {
		hook string
		ms   []Mutation
	}{{"envoy_on_request", s.Request}, {"envoy_on_response", s.Response}} {
		fmt.Fprintf(&b, "function %s(handle)\n  local h = handle:headers()\n", side.hook)
		for _, m := range side.ms {
			switch m.Op {
			case Set:
				fmt.Fprintf(&b, "  h:replace(%s, %s)\n", luaText(m.Name), luaText(m.Value))
			case Append:
				fmt.Fprintf(&b, "  h:add(%s, %s)\n", luaText(m.Name), luaText(m.Value))
			case Remove:
				fmt.Fprintf(&b, "  h:remove(%s)\n", luaText(m.Name))
			}
		}
		b.WriteString("end\n")
	}
	return b.String(), nil
}

// luaText is a text as Lua writes it.
func luaText(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`).Replace(text) + `"`
}
