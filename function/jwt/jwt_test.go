package jwt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	lib "github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/dataplane/proxywasm"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/jwt"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/study"
)

const (
	issuer   = "https://issuer.test"
	audience = "the-api"
)

// signer mints tokens, good ones and others.
type signer struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	jwks string
}

func newSigner(t testing.TB) signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	return signer{t, key, fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"k1","x":%q,"y":%q}]}`,
		text(point[1:33]), text(point[33:]))}
}

// claims are good ones with changes; nil removes.
func claims(changes lib.MapClaims) lib.MapClaims {
	now := time.Now().Unix()
	c := lib.MapClaims{"iss": issuer, "aud": audience, "sub": "ann", "subscription": "Team", "exp": now + 3600, "nbf": now - 10, "iat": now}
	for name, value := range changes {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

func (s signer) sign(c lib.MapClaims, method lib.SigningMethod, key any, kid string) string {
	token := lib.NewWithClaims(method, c)
	if kid != "" {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(key)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

func (s signer) token(changes lib.MapClaims) string {
	return s.sign(claims(changes), lib.SigningMethodES256, s.key, "k1")
}

// raw signs any header and payload.
func (s signer) raw(header, payload string) string {
	e := base64.RawURLEncoding.EncodeToString
	text := e([]byte(header)) + "." + e([]byte(payload))
	signature, err := lib.SigningMethodES256.Sign(text, s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	return text + "." + e(signature)
}

func (s signer) spec() function.Spec {
	text, err := json.Marshal(jwt.Spec{Issuer: issuer, Audience: audience, JWKS: s.jwks})
	if err != nil {
		s.t.Fatal(err)
	}
	params, err := study.JSONParams("test", text)
	if err != nil {
		s.t.Fatal(err)
	}
	spec, err := jwt.Function().Decode(params)
	if err != nil {
		s.t.Fatal(err)
	}
	return spec
}

func (s signer) filter() function.Filter { return filterOf(s.t, s.spec()) }

func filterOf(t testing.TB, spec function.Spec) function.Filter {
	fn := jwt.Function()
	config, err := fn.Native.Config(spec)
	if err != nil {
		t.Fatal(err)
	}
	f, err := fn.Native.Types[0].New(config.Config)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (s signer) hosted() *hosted {
	return hostedOf(s.t, s.spec(), proxywasm.Limits{Deadline: patience})
}

func hostedOf(t testing.TB, spec function.Spec, limits proxywasm.Limits) *hosted {
	config, err := jwt.Function().Wasm.Config(spec)
	if err != nil {
		t.Fatal(err)
	}
	h, err := host(t, config, limits)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// form is one that runs in this process; all answer with the same words.
type form struct {
	name   study.Form
	handle func(*functiontest.Exchange) (proceed bool)
}

func (s signer) forms() []form { return formsOf(s.t, s.spec()) }

func formsOf(t testing.TB, spec function.Spec) []form {
	f, h := filterOf(t, spec), hostedOf(t, spec, proxywasm.Limits{Deadline: patience})
	return []form{
		{study.FormNative, func(x *functiontest.Exchange) bool { return f.Handle(x) }},
		{study.FormWasm, func(x *functiontest.Exchange) bool {
			proceed, err := h.handle(x)
			if err != nil {
				t.Error(err)
			}
			return proceed
		}},
	}
}

func request(authorization ...string) *functiontest.Exchange {
	x := &functiontest.Exchange{Verb: "GET", Target: "/pull?x=1", Request: []functiontest.Field{
		{Name: "host", Value: "api.test"},
		{Name: "X-User", Value: "mallory"}, {Name: "x-user", Value: "mallory"}, {Name: "X-SUBSCRIPTION", Value: "Enterprise"},
	}}
	for _, a := range authorization {
		x.Request = append(x.Request, functiontest.Field{Name: "authorization", Value: a})
	}
	return x
}

func TestGoodTokens(t *testing.T) {
	s := newSigner(t)
	forms := s.forms()
	header := `{"alg":"ES256","kid":"k1"}`
	deadline := time.Now().Unix() + 3600
	payload := func(rest string) string {
		return fmt.Sprintf(`{"iss":%q,"exp":%d%s}`, issuer, deadline, rest)
	}
	cases := []struct{ name, token, user, subscription string }{
		{"plain", s.token(nil), "ann", "Team"},
		{"audience in a list", s.token(lib.MapClaims{"aud": []string{"x", audience}}), "ann", "Team"},
		{"no key id", s.sign(claims(nil), lib.SigningMethodES256, s.key, ""), "ann", "Team"},
		{"no subscription", s.token(lib.MapClaims{"subscription": nil}), "ann", ""},
		{"subscription is a list", s.token(lib.MapClaims{"subscription": []string{"Enterprise"}}), "ann", ""},
		{"subscription is a number", s.token(lib.MapClaims{"subscription": 7}), "ann", "7"},
		{"escapes", s.raw(header, payload(`,"a\u0075d":"the\u002dapi","sub":"a\u006en","subscription":"Team"`)), "ann", "Team"},
		{"nested members of the same names", s.raw(header, payload(`,"aud":"the-api","x":{"sub":"eve","s":"}\"{"},"y":["sub",1,{"sub":2}],"sub":"ann","z":-1.5e3`)), "ann", ""},
		{"white space", s.raw(" { \"alg\" :\t\"ES256\" } ", payload("\n, \"aud\" : [ \"the-api\" ] ,\r\"sub\":\"ann\" ")), "ann", ""},
	}
	for _, c := range cases {
		for _, f := range forms {
			t.Run(fmt.Sprintf("%s, %s", c.name, f.name), func(t *testing.T) {
				isGood(t, f, c.token, c.user, c.subscription)
			})
		}
	}
}

// isGood: the token goes on, with its claims and nobody else's.
func isGood(t *testing.T, f form, token, user, subscription string) {
	t.Helper()
	x := request("Bearer " + token)
	if !f.handle(x) {
		t.Fatalf("refused: %d %s", x.Status, x.Body)
	}
	got := []string{functiontest.Get(x.Request, "x-user"), functiontest.Get(x.Request, "x-subscription"), functiontest.Get(x.Request, "authorization")}
	if d := cmp.Diff([]string{user, subscription, "Bearer " + token}, got); d != "" {
		t.Error(d)
	}
	count := map[string]int{}
	for _, field := range x.Request {
		count[strings.ToLower(field.Name)]++
	}
	want := map[string]int{"host": 1, "authorization": 1, "x-user": 1, "x-subscription": 1}
	if subscription == "" {
		delete(want, "x-subscription")
	}
	if d := cmp.Diff(want, count); d != "" {
		t.Errorf("fields that go on: %s", d)
	}
}

func TestBadTokens(t *testing.T) {
	s, other := newSigner(t), newSigner(t)
	forms := s.forms()
	good := s.token(nil)
	parts := strings.Split(good, ".")
	point, _ := s.key.PublicKey.Bytes()
	now := time.Now().Unix()
	const invalid = `Bearer realm="http://api.test/pull?x=1", error="invalid_token"`
	const missing = `Bearer realm="http://api.test/pull?x=1"`
	header := `{"alg":"ES256","kid":"k1"}`
	full := fmt.Sprintf(`"iss":%q,"aud":%q,"exp":%d`, issuer, audience, now+3600)
	cases := []struct {
		name, value, body string
		status            int
		challenge         string
	}{
		{"no header", "", "Jwt is missing", 401, missing},
		{"another scheme", "Basic YTpi", "Jwt is missing", 401, missing},
		{"scheme in lower case", "bearer " + good, "Jwt is missing", 401, missing},
		{"expired", "Bearer " + s.token(lib.MapClaims{"exp": now - 60}), "Jwt is expired", 401, invalid},
		{"no end", "Bearer " + s.token(lib.MapClaims{"exp": nil}), "Jwt verification fails", 401, invalid},
		{"end is a text", "Bearer " + s.token(lib.MapClaims{"exp": "never"}), "Jwt payload is an invalid JSON", 401, invalid},
		{"not yet", "Bearer " + s.token(lib.MapClaims{"nbf": now + 60}), "Jwt not yet valid", 401, invalid},
		{"another key", "Bearer " + other.token(nil), "Jwt verification fails", 401, invalid},
		{"another key id", "Bearer " + s.sign(claims(nil), lib.SigningMethodES256, s.key, "k2"), "Jwks doesn't have key to match kid or alg from Jwt", 401, invalid},
		{"another issuer", "Bearer " + s.token(lib.MapClaims{"iss": "x"}), "Jwt issuer is not configured", 401, invalid},
		{"no issuer", "Bearer " + s.token(lib.MapClaims{"iss": nil}), "Jwt issuer is not configured", 401, invalid},
		{"another audience", "Bearer " + s.token(lib.MapClaims{"aud": "x"}), "Audiences in Jwt are not allowed", 403, invalid},
		{"no audience", "Bearer " + s.token(lib.MapClaims{"aud": nil}), "Audiences in Jwt are not allowed", 403, invalid},
		{"alg none", "Bearer " + s.sign(claims(nil), lib.SigningMethodNone, lib.UnsafeAllowNoneSignatureType, "k1"), "Jwks doesn't have key to match kid or alg from Jwt", 401, invalid},
		{"alg none, signed", "Bearer " + s.raw(`{"alg":"none","kid":"k1"}`, "{"+full+"}"), "Jwks doesn't have key to match kid or alg from Jwt", 401, invalid},
		{"HS256 with the public key", "Bearer " + s.sign(claims(nil), lib.SigningMethodHS256, point, "k1"), "Jwks doesn't have key to match kid or alg from Jwt", 401, invalid},
		{"HS256 with the key set", "Bearer " + s.sign(claims(nil), lib.SigningMethodHS256, []byte(s.jwks), "k1"), "Jwks doesn't have key to match kid or alg from Jwt", 401, invalid},
		{"changed payload", "Bearer " + parts[0] + "." + strings.Split(s.token(lib.MapClaims{"sub": "bob"}), ".")[1] + "." + parts[2], "Jwt verification fails", 401, invalid},
		{"no signature", "Bearer " + parts[0] + "." + parts[1] + ".", "Jwt verification fails", 401, invalid},
		{"short signature", "Bearer " + good[:len(good)-6], "Jwt verification fails", 401, invalid},
		{"two parts", "Bearer " + parts[0] + "." + parts[1], "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections", 401, invalid},
		{"four parts", "Bearer " + good + ".x", "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections", 401, invalid},
		{"empty", "Bearer ", "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections", 401, invalid},
		{"garbage", "Bearer ~~~.~~~.~~~", "Jwt header is an invalid Base64url encoded", 401, invalid},
		{"two tokens in one", "Bearer " + good + "," + good, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections", 401, invalid},
		{"padded", "Bearer " + parts[0] + "." + parts[1] + "=." + parts[2], "Jwt payload is an invalid Base64url encoded", 401, invalid},
		{"header no JSON", "Bearer " + s.raw("{", "{"+full+"}"), "Jwt header is an invalid JSON", 401, invalid},
		{"header a list", "Bearer " + s.raw("[]", "{"+full+"}"), "Jwt header is an invalid JSON", 401, invalid},
		{"no alg", "Bearer " + s.raw("{}", "{"+full+"}"), "Jwt header [alg] field is required and must be a string", 401, invalid},
		{"two algs", "Bearer " + s.raw(`{"alg":"ES256","alg":"ES256"}`, "{"+full+"}"), "Jwt header is an invalid JSON", 401, invalid},
		{"a critical extension", "Bearer " + s.raw(`{"alg":"ES256","crit":["b64"],"b64":false}`, "{"+full+"}"), "Jwt header is an invalid JSON", 401, invalid},
		{"payload no JSON", "Bearer " + s.raw(header, "{"+full), "Jwt payload is an invalid JSON", 401, invalid},
		{"payload not UTF-8", "Bearer " + s.raw(header, "{"+full+",\"sub\":\"\xff\"}"), "Jwt payload is an invalid JSON", 401, invalid},
		{"two users", "Bearer " + s.raw(header, "{"+full+`,"sub":"a","sub":"b"}`), "Jwt payload is an invalid JSON", 401, invalid},
		{"two ends", "Bearer " + s.raw(header, "{"+full+`,"exp":99999999999}`), "Jwt payload is an invalid JSON", 401, invalid},
		{"two ends, the first at 0", "Bearer " + s.raw(header, `{"exp":0,`+full+"}"), "Jwt payload is an invalid JSON", 401, invalid},
		{"a line end in a claim", "Bearer " + s.token(lib.MapClaims{"sub": "a\r\nx-admin: 1"}), "Jwt payload is an invalid JSON", 401, invalid},
	}
	for _, c := range cases {
		for _, f := range forms {
			t.Run(fmt.Sprintf("%s, %s", c.name, f.name), func(t *testing.T) {
				x := request()
				if c.value != "" {
					x = request(c.value)
				}
				if f.handle(x) {
					t.Fatal("let through")
				}
				want := []functiontest.Field{{Name: "www-authenticate", Value: c.challenge}}
				if d := cmp.Diff(want, x.Response); d != "" || c.status != x.Status || c.body != x.Body {
					t.Errorf("%d %s, want %d %s; %s", x.Status, x.Body, c.status, c.body, d)
				}
			})
		}
	}
}

// TestOneTokenGoesOn: of two Authorization headers, what is behind sees only
// the one that was verified.
func TestOneTokenGoesOn(t *testing.T) {
	s, other := newSigner(t), newSigner(t)
	f := s.filter()
	good, bad := "Bearer "+s.token(nil), "Bearer "+other.token(lib.MapClaims{"sub": "eve"})
	x := request(good, bad)
	if !f.Handle(x) {
		t.Fatal(x.Body)
	}
	for _, field := range x.Request {
		if field.Value == bad {
			t.Error("a token goes on that was not verified")
		}
	}
	if x := request(bad, good); f.Handle(x) {
		t.Error("a bad token was passed over")
	}
	// To the module the two are one value, which is no token.
	for _, both := range [][]string{{good, bad}, {bad, good}, {good, good}} {
		x := request(both...)
		if proceed, err := s.hosted().handle(x); proceed || err != nil || x.Status != 401 {
			t.Errorf("the module: %v, %v, %d", proceed, err, x.Status)
		}
	}
}

// TestEveryTargetIsChecked: forms of a target that do not begin with a slash
// are no way around the check.
func TestEveryTargetIsChecked(t *testing.T) {
	for _, f := range newSigner(t).forms() {
		for _, target := range []string{"/", "//pull", "*", "http://api.test/pull", ""} {
			x := request()
			x.Target = target
			if f.handle(x) || x.Status != 401 {
				t.Errorf("%s, target %q: status %d", f.name, target, x.Status)
			}
		}
	}
}

func TestChallengeCannotBeBrokenOutOf(t *testing.T) {
	for _, f := range newSigner(t).forms() {
		x := request()
		x.Target = `/a"b` + strings.Repeat("c", 400)
		f.handle(x)
		if got := functiontest.Get(x.Response, "www-authenticate"); got != `Bearer realm="http://api.test/a"` {
			t.Errorf("%s: challenge %s", f.name, got)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	s := newSigner(t)
	private := strings.Replace(s.jwks, `"kty"`, `"d":"AAAA","kty"`, 1)
	for name, c := range map[string]struct {
		spec any
		want string
	}{
		"no issuer":     {jwt.Spec{Audience: "a", JWKS: s.jwks}, "issuer"},
		"no audience":   {jwt.Spec{Issuer: "i", JWKS: s.jwks}, "audience"},
		"no keys":       {jwt.Spec{Issuer: "i", Audience: "a", JWKS: `{"keys":[]}`}, "no keys"},
		"no JSON":       {jwt.Spec{Issuer: "i", Audience: "a", JWKS: `{`}, "jwks"},
		"private key":   {jwt.Spec{Issuer: "i", Audience: "a", JWKS: private}, "private"},
		"symmetric key": {jwt.Spec{Issuer: "i", Audience: "a", JWKS: `{"keys":[{"kty":"oct","k":"AAAA"}]}`}, `kty "oct"`},
		"off the curve": {jwt.Spec{Issuer: "i", Audience: "a", JWKS: strings.Replace(s.jwks, `"x":"`, `"x":"AAAA`, 1)}, "coordinate"},
		"unknown field": {map[string]string{"isuer": "i"}, "isuer"},
	} {
		t.Run(name, func(t *testing.T) {
			text, _ := json.Marshal(c.spec)
			params, err := study.JSONParams("test", text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jwt.Function().Decode(params); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func BenchmarkFilter(b *testing.B) {
	s := newSigner(b)
	f := s.filter()
	token := "Bearer " + s.token(nil)
	b.Run("verify alone", func(b *testing.B) {
		dot := strings.LastIndexByte(token, '.')
		signature, _ := base64.RawURLEncoding.DecodeString(token[dot+1:])
		text := strings.TrimPrefix(token[:dot], "Bearer ")
		b.ReportAllocs()
		for b.Loop() {
			if err := lib.SigningMethodES256.Verify(text, signature, &s.key.PublicKey); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("whole filter", func(b *testing.B) {
		x := &fixed{token: []byte(token)}
		b.ReportAllocs()
		for b.Loop() {
			if !f.Handle(x) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("without the signature", func(b *testing.B) {
		x := &fixed{token: []byte("Bearer " + s.sign(claims(nil), lib.SigningMethodES256, s.key, "k2"))}
		b.ReportAllocs()
		for b.Loop() {
			if f.Handle(x) {
				b.Fatal("let through")
			}
		}
	})
}

// fixed is a request that costs nothing.
type fixed struct {
	function.Exchange // no note is asked for
	token             []byte
}

func (x *fixed) Method() []byte { return nil }
func (x *fixed) Path() []byte   { return []byte("/pull") }
func (x *fixed) Header(name string) ([]byte, bool) {
	return x.token, name == "authorization"
}
func (x *fixed) SetHeader(string, []byte)         {}
func (x *fixed) RemoveHeader(string)              {}
func (x *fixed) AddResponseHeader(string, []byte) {}
func (x *fixed) Reply(int, string)                {}
