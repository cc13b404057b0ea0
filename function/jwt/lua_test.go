package jwt_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/study"
)

const signedText = "a text that is signed"

// verifying is a script that says whether it could verify signatures of the
// text: the host's own function, with each digest that it knows and without.
const verifying = `
local function verified(h, digest, key, signature)
  local good, said = pcall(function()
    return h:verifySignature(digest, h:importPublicKey(key, #key):get(), signature, #signature, TEXT, #TEXT)
  end)
  return tostring(good and said)
end
function envoy_on_request(h)
  local out = "ES256 " .. verified(h, "sha256", ES_KEY, ES_SIGNATURE)
  for _, digest in ipairs({"", "none", "sha1", "sha224", "sha256", "sha384", "sha512"}) do
    out = out .. ", EdDSA " .. digest .. " " .. verified(h, digest, ED_KEY, ED_SIGNATURE)
  end
  h:respond({[":status"] = "200"}, out)
end`

// TestLuaVerifiesNoEdDSA is why there is no form lua: Envoy's scripts verify
// ES256, but no EdDSA, which has no digest of its own; the embedded plane's
// have no signatures.
func TestLuaVerifiesNoEdDSA(t *testing.T) {
	es, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(signedText))
	signature, err := ecdsa.SignASN1(rand.Reader, es, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("local TEXT, ES_KEY, ES_SIGNATURE, ED_KEY, ED_SIGNATURE = %s, %s, %s, %s, %s\n", inLua([]byte(signedText)),
		inLua(keyInDER(t, es.Public())), inLua(signature), inLua(keyInDER(t, edPublic)), inLua(ed25519.Sign(ed, []byte(signedText)))) + verifying
	fn := function.Function{Name: "verifying", Lua: &function.Lua{Script: func(function.Spec) (string, error) { return script, nil }}}
	const none = ", EdDSA  false, EdDSA none false, EdDSA sha1 false, EdDSA sha224 false, EdDSA sha256 false, EdDSA sha384 false, EdDSA sha512 false"
	want := map[string]string{"envoy": "ES256 true" + none, "embedded": "ES256 false" + none}
	onPlanes(t, func(t *testing.T, plane dataplane.DataPlane) {
		for _, at := range functiontest.Places(fn, []dataplane.DataPlane{plane}) {
			if at.Placement.Form != study.FormLua {
				continue
			}
			e := at.Try(t, fn, nil, function.Trial{Name: "verify", Requests: []function.Request{{Target: "/"}}})
			if got := string(e.Observations[0].Response.Body); got != want[plane.Name()] {
				t.Errorf("the script says %q, want %q", got, want[plane.Name()])
			}
			return
		}
		t.Error("the plane runs no scripts")
	})
}

func keyInDER(t *testing.T, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// inLua writes bytes as a string of Lua's.
func inLua(b []byte) string {
	var text strings.Builder
	for _, c := range b {
		fmt.Fprintf(&text, "\\%03d", c)
	}
	return `"` + text.String() + `"`
}
