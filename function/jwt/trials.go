package jwt

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/taremesh/tare/function"
)

// tokens are those of the trials, with the public keys of those that signed
// them. The private keys were forgotten when the file was made (TestRenew).
type tokens struct {
	JWKS   string            `json:"jwks"`
	Tokens map[string]string `json:"tokens"`
}

//go:embed trials.json
var trialsText []byte

// minted reads them; what cannot be read shows in TestRenew and in the trials.
var minted = sync.OnceValue(func() (t tokens) {
	_ = json.Unmarshal(trialsText, &t)
	return t
})

// labelHeader names a trial's token.
const labelHeader = "x-token-name"

func trials() []function.Trial {
	params := tokenParams
	all := minted()
	ask := func(name, scheme, target string) function.Request {
		h := http.Header{labelHeader: {name}}
		h.Add(function.UserHeader, "mallory")
		h.Add(function.SubscriptionHeader, "Enterprise")
		if token, ok := all.Tokens[name]; ok {
			h.Set("Authorization", scheme+token)
		}
		return function.Request{Target: target, Header: h}
	}
	several := func(names ...string) (rs []function.Request) {
		for _, n := range names {
			rs = append(rs, ask(n, "Bearer ", "/pull?x=/open"))
		}
		return rs
	}
	good := several("es", "es, second key", "es, no key id", "rs", "rs, no key id", "ed", "audience in a list", "no subscription", "no not-before")
	bad := several("expired", "no expiry", "not yet", "other audience", "no audience", "other issuer", "no issuer", "without")
	forged := several("stranger's", "another key's id", "unknown key id", "ed by es's id", "rs512", "claims changed", "signature cut", "no signature",
		"two parts", "four parts", "none", "none, no key id", "None", "none with signature", "hs by rs's key", "hs by es's key", "hs by the key set", "es")
	usual, without := params(all.JWKS, ""), func(kid string) string { return params(less(all.JWKS, kid), "") }
	// takes are mutants that each let one of the tokens through.
	takes := func(requests []function.Request) (all []function.Mutant) {
		for i, r := range requests {
			all = append(all, function.Mutant{Name: "takes " + r.Header.Get(labelHeader), Spoil: func(e *function.Evidence) {
				o := &e.Observations[i]
				o.Outcome, o.Response = function.Allowed, &function.Message{Status: http.StatusOK}
				e.Deliveries = append(e.Deliveries, function.Delivery{Of: i, Message: *o.Request})
			}})
		}
		return all
	}
	return []function.Trial{{
		Name: "good tokens", Params: usual, Requests: good,
		Mutants: []function.Mutant{
			{Name: "first key only", Params: without("es-2")}, {Name: "last of two keys only", Params: without("es-1")},
			{Name: "no RS256", Params: without("rs-1")}, {Name: "no EdDSA", Params: without("ed-1")},
			{Name: "everything open", Params: params(all.JWKS, `, "open": ["/pull"]`)},
			{Name: "the client's header stays", Spoil: func(e *function.Evidence) {
				e.Deliveries[7].Message.Header.Set(function.SubscriptionHeader, "Enterprise")
			}},
			{Name: "another's claim", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Header.Set(function.UserHeader, "mallory") }},
			{Name: "beside the client's header", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Header.Add(function.UserHeader, "mallory") }},
		},
	}, {
		Name: "tokens that are not for this", Params: usual, Requests: append(bad, ask("es", "bearer ", "/"), ask("es", "", "/"), ask("es", "Basic ", "/"), ask("es", "Bearer ", "/")),
		Mutants: append(takes(bad), []function.Mutant{
			{Name: "another audience", Params: strings.Replace(usual, `"hub"`, `"hubs"`, 1)},
			{Name: "another issuer", Params: strings.Replace(usual, `"https://hub.test"`, `"https://hub.test/"`, 1)},
			{Name: "one status", Spoil: func(e *function.Evidence) { e.Observations[3].Response.Status = http.StatusUnauthorized }},
			{Name: "no challenge", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Header.Del("Www-Authenticate") }},
			{Name: "asked the service first", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, function.Delivery{Of: 0}) }},
		}...),
	}, {
		Name: "forged tokens", Params: usual, Requests: forged, Mutants: takes(forged[:len(forged)-1]),
	}, {
		Name: "open paths", Params: params(all.JWKS, `, "open": ["/open"]`),
		Requests: []function.Request{ask("without", "", "/open"), ask("none", "Bearer ", "/open?a"), ask("without", "", "/open/"), ask("without", "", "/OPEN"), ask("es", "Bearer ", "/open/")},
		Mutants: []function.Mutant{
			{Name: "not open", Params: usual}, {Name: "another path open", Params: params(all.JWKS, `, "open": ["/open", "/open/"]`)},
			{Name: "the client's header stays", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Header.Set(function.UserHeader, "mallory") }},
		},
	}}
}

// exampleToken is good until the year 2100, and its key is forgotten.
const exampleToken = "es"

// example has the key of that token alone, as a service would.
func example() string {
	return tokenParams(less(less(less(minted().JWKS, "es-2"), "rs-1"), "ed-1"), "")
}

func tokenParams(jwks, rest string) string {
	return fmt.Sprintf(`{"issuer": "https://hub.test", "audience": "hub", "jwks": %q%s}`, jwks, rest)
}

// less is a key set without one of its keys.
func less(jwks, kid string) string {
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if json.Unmarshal([]byte(jwks), &set) != nil {
		return jwks
	}
	kept := set.Keys[:0]
	for _, k := range set.Keys {
		if k["kid"] != kid {
			kept = append(kept, k)
		}
	}
	set.Keys = kept
	text, err := json.Marshal(set)
	if err != nil {
		return jwks
	}
	return string(text)
}
