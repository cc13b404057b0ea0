package imagehub

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/workload"
)

var noon = time.Date(2030, 6, 1, 12, 0, 0, 0, time.UTC)

func testKey(t testing.TB) *signingKey {
	t.Helper()
	k, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// forge signs any header and claims with a key, as ES256.
func forge(t testing.TB, k *signingKey, header, payload string) string {
	t.Helper()
	signed := encoding.EncodeToString([]byte(header)) + "." + encoding.EncodeToString([]byte(payload))
	signature, err := jwt.SigningMethodES256.Sign(signed, k.private)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encoding.EncodeToString(signature)
}

func headerOf(k *signingKey) string {
	return `{"alg":"ES256","kid":"` + k.id + `","typ":"JWT"}`
}

const goodClaims = `{"iss":"imagehub","sub":"ann","aud":["imagehub-api"],"exp":1906545601,"iat":1,"subscription":"Team"}` // noon + 1 s

func TestTokensOfOurOwn(t *testing.T) {
	k := testKey(t)
	for _, s := range Subscriptions() {
		want := function.Caller{User: "ann", Subscription: s.Name}
		token, err := k.mint(want, noon, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			at  time.Duration
			err error
		}{{0, nil}, {time.Minute - time.Nanosecond, nil}, {time.Minute, errExpired}, {time.Hour, errExpired}} {
			v := newVerifier(k.publicKey, func() time.Time { return noon.Add(c.at) })
			got, err := v.caller(token)
			if !errors.Is(err, c.err) || err == nil && got != want {
				t.Errorf("%s after %s: %+v, %v; want %v", s.Name, c.at, got, err, c.err)
			}
		}
		if header, _, _ := strings.Cut(token, "."); header != newVerifier(k.publicKey, time.Now).ours {
			t.Errorf("header %q is not the one that the verifier knows as ours", header)
		}
	}
}

func TestTokensRefused(t *testing.T) {
	k, other := testKey(t), testKey(t)
	header := headerOf(k)
	good := forge(t, k, header, goodClaims)
	dot := strings.LastIndexByte(good, '.')
	signed, signature := good[:dot], good[dot+1:]
	with := func(old, new string) string {
		if !strings.Contains(goodClaims, old) {
			t.Fatalf("%q is not in the claims", old)
		}
		return forge(t, k, header, strings.Replace(goodClaims, old, new, 1))
	}
	// HMAC with the public key as the secret: the classic confusion.
	public, err := k.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	hs := encoding.EncodeToString([]byte(strings.Replace(header, "ES256", "HS256", 1))) + "." + encoding.EncodeToString([]byte(goodClaims))
	mac, err := jwt.SigningMethodHS256.Sign(hs, public)
	if err != nil {
		t.Fatal(err)
	}
	none := encoding.EncodeToString([]byte(strings.Replace(header, "ES256", "none", 1))) + "." + encoding.EncodeToString([]byte(goodClaims))
	for name, c := range map[string]struct {
		token string
		err   error
	}{
		"good":                   {good, nil},
		"header in other order":  {forge(t, k, `{"typ":"JWT","kid":"`+k.id+`","alg":"ES256"}`, goodClaims), nil},
		"one audience as string": {with(`["imagehub-api"]`, `"imagehub-api"`), nil},
		"several audiences":      {with(`["imagehub-api"]`, `["x","imagehub-api"]`), nil},
		"unknown claim":          {with(`"iat":1`, `"jti":"7"`), nil},
		"not before, passed":     {with(`"iat":1`, `"nbf":1906545600`), nil},
		"empty":                  {"", errMalformed},
		"dots":                   {"..", errMalformed},
		"two parts":              {signed, errMalformed},
		"four parts":             {good + ".x", errMalformed},
		"too long":               {good + strings.Repeat("A", maxToken), errMalformed},
		"padding":                {good + "==", errMalformed},
		"line break":             {signed + "." + signature[:10] + "\n" + signature[10:], errMalformed},
		"signature in DER":       {signed + "." + encoding.EncodeToString(make([]byte, 70)), errMalformed},
		"signature all zero":     {signed + "." + encoding.EncodeToString(make([]byte, 64)), errSignature},
		"signature of another":   {signed + "." + forge(t, other, header, goodClaims)[dot+1:], errSignature},
		"claims exchanged":       {strings.Replace(good, encoding.EncodeToString([]byte(goodClaims)), encoding.EncodeToString([]byte(strings.Replace(goodClaims, "Team", "Enterprise", 1))), 1), errSignature},
		"none":                   {none + ".", errAlgorithm},
		"none with signature":    {none + "." + signature, errAlgorithm},
		"HMAC":                   {hs + "." + encoding.EncodeToString(mac), errAlgorithm},
		"another key":            {forge(t, other, headerOf(other), goodClaims), errKey},
		"no key id":              {forge(t, k, `{"alg":"ES256"}`, goodClaims), errKey},
		"critical header":        {forge(t, k, `{"alg":"ES256","kid":"`+k.id+`","crit":["x"]}`, goodClaims), errMalformed},
		"header no JSON":         {forge(t, k, `{`, goodClaims), errMalformed},
		"claims no JSON":         {forge(t, k, header, `{`), errMalformed},
		"expired":                {with("1906545601", "1906545600"), errExpired},
		"no expiry":              {with(`"exp":1906545601,`, ``), errExpired},
		"expiry null":            {with(`1906545601`, `null`), errExpired},
		"expiry a string":        {with(`1906545601`, `"soon"`), errMalformed},
		"not yet":                {with(`"iat":1`, `"nbf":1906545601`), errEarly},
		"issuer":                 {with(`"imagehub"`, `"imagehub2"`), errIssuer},
		"no issuer":              {with(`"iss":"imagehub",`, ``), errIssuer},
		"audience":               {with(`imagehub-api`, `imagehub-web`), errAudience},
		"no audience":            {with(`["imagehub-api"]`, `[]`), errAudience},
		"no user":                {with(`"ann"`, `""`), errClaims},
		"unknown subscription":   {with(`Team`, `Gold`), errClaims},
		"no subscription":        {with(`,"subscription":"Team"`, ``), errClaims},
	} {
		v := newVerifier(k.publicKey, func() time.Time { return noon })
		got, err := v.caller(c.token)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", name, err, c.err)
		}
		want := function.Caller{User: "ann", Subscription: "Team"}
		if c.err != nil {
			want = function.Caller{}
		}
		if got != want {
			t.Errorf("%s: caller %+v, want %+v", name, got, want)
		}
	}
}

// Every bit of a token counts: none can be turned without its being refused.
func TestEveryBitCounts(t *testing.T) {
	k := testKey(t)
	good := forge(t, k, headerOf(k), goodClaims)
	v := newVerifier(k.publicKey, func() time.Time { return noon })
	for i := range good {
		bad := []byte(good)
		bad[i] ^= 1
		if c, err := v.caller(string(bad)); err == nil {
			t.Errorf("byte %d turned from %q to %q: taken, as %+v", i, good[i], bad[i], c)
		}
	}
}

// golang-jwt is another implementation of the same rules.
func TestVerifierAgreesWithLibrary(t *testing.T) {
	k := testKey(t)
	v := newVerifier(k.publicKey, time.Now)
	library := jwt.NewParser(jwt.WithValidMethods([]string{algorithm}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithStrictDecoding())
	for i := range 200 {
		token, err := k.mint(function.Caller{User: "ann", Subscription: "Team"}, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			at := (i * 7919) % len(token)
			token = token[:at] + string("AB-_.x"[i%6]) + token[at+1:]
		}
		_, theirs := library.Parse(token, func(*jwt.Token) (any, error) { return k.key, nil })
		if _, ours := v.caller(token); (ours == nil) != (theirs == nil) {
			t.Errorf("%s: ours %v, golang-jwt %v", token, ours, theirs)
		}
	}
}

func TestSignatureEncoding(t *testing.T) {
	for _, c := range []struct{ r, s []byte }{
		{[]byte{1}, []byte{0}},
		{[]byte{0x7f}, []byte{0x80}},
		{bytes.Repeat([]byte{0xff}, 32), bytes.Repeat([]byte{0xff}, 32)},
		{append([]byte{0x80}, make([]byte, 31)...), append([]byte{0x7f}, make([]byte, 31)...)},
		{append([]byte{0x80}, make([]byte, 30)...), []byte{1, 0}},
	} {
		var raw [64]byte
		copy(raw[32-len(c.r):32], c.r)
		copy(raw[64-len(c.s):], c.s)
		want, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(c.r), new(big.Int).SetBytes(c.s)})
		if err != nil {
			t.Fatal(err)
		}
		if got := appendSignature(nil, raw); !bytes.Equal(got, want) {
			t.Errorf("r %x s %x: %x, want %x", c.r, c.s, got, want)
		}
	}
}

func TestBearer(t *testing.T) {
	for name, c := range map[string]struct {
		values []string
		want   string
	}{
		"token":        {[]string{"Bearer a.b.c"}, "a.b.c"},
		"other case":   {[]string{"bEARER a.b.c"}, "a.b.c"},
		"more spaces":  {[]string{"Bearer   a.b.c"}, "a.b.c"},
		"none":         {nil, ""},
		"two":          {[]string{"Bearer a.b.c", "Bearer a.b.c"}, ""},
		"basic":        {[]string{"Basic a.b.c"}, ""},
		"scheme alone": {[]string{"Bearer"}, ""},
		"glued":        {[]string{"Bearera.b.c"}, ""},
	} {
		got, err := bearer(c.values)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

func TestJWKS(t *testing.T) {
	k := testKey(t)
	text, err := k.jwks()
	if err != nil {
		t.Fatal(err)
	}
	back, err := parseJWKS(text)
	if err != nil {
		t.Fatal(err)
	}
	if !back.key.Equal(k.key) || back.id != k.id {
		t.Errorf("the key set %s reads as another key", text)
	}
	secret, err := k.private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, `"d"`) || strings.Contains(text, encoding.EncodeToString(secret)) {
		t.Error("the key set holds the private key")
	}
	var set jwkSet
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		t.Fatal(err)
	}
	edit := func(f func(*jwk)) string {
		one := set.Keys[0]
		f(&one)
		b, err := json.Marshal(jwkSet{Keys: []jwk{one}})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, bad := range map[string]string{
		"empty":         "",
		"no keys":       `{"keys":[]}`,
		"two keys":      `{"keys":[{},{}]}`,
		"RSA":           edit(func(k *jwk) { k.Type = "RSA" }),
		"curve":         edit(func(k *jwk) { k.Curve = "P-384" }),
		"no id":         edit(func(k *jwk) { k.ID = "" }),
		"not base64url": edit(func(k *jwk) { k.X = "!" }),
		"short":         edit(func(k *jwk) { k.Y = k.Y[:8] }),
		"not on curve":  edit(func(k *jwk) { k.Y = k.X }),
	} {
		if _, err := parseJWKS(bad); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

// The thumbprint of the example key of RFC 7517 A.1, computed here by the rule
// of RFC 7638 from the set's own text.
func TestKeyIDIsTheThumbprint(t *testing.T) {
	const x, y = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
	k, err := parseJWKS(`{"keys":[{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `","kid":"1"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	named, err := publicOf(k.key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`))
	if want := encoding.EncodeToString(sum[:]); named.id != want {
		t.Errorf("id %s, want %s", named.id, want)
	}
}

func TestKeyOnAnotherCurve(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyOf(private); err == nil {
		t.Error("a P-384 key is taken")
	}
}

func TestPrepare(t *testing.T) {
	users := []workload.User{{Name: "u-1", Subscription: "Personal"}, {Name: "u-2", Subscription: "Team"}, {Name: "u-3", Subscription: "Enterprise"}}
	p, err := Workload().Prepare(users)
	if err != nil {
		t.Fatal(err)
	}
	k, err := parseJWKS(p.Check.JWKS)
	if err != nil {
		t.Fatal(err)
	}
	for _, age := range []time.Duration{0, 23 * time.Hour} {
		v := newVerifier(k, func() time.Time { return time.Now().Add(age) })
		for i, u := range users {
			got, err := v.caller(p.Tokens[i])
			if d := cmp.Diff(function.Caller{User: u.Name, Subscription: u.Subscription}, got); d != "" || err != nil {
				t.Errorf("token %d after %s: %v %s", i, age, err, d)
			}
		}
	}
	for name, bad := range map[string][]workload.User{
		"no users":     nil,
		"name":         {{Name: "a\nb", Subscription: "Team"}},
		"subscription": {{Name: "ann", Subscription: "Gold"}},
	} {
		if _, err := Workload().Prepare(bad); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

// Whatever the quick reader takes, encoding/json takes with the same outcome.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(goodClaims))
	f.Add([]byte(`{"iss":"a","iss":"b"}`))
	f.Add([]byte(`{"aud":["a","imagehub-api"],"nbf":3}`))
	f.Add([]byte(`{"exp":01}`))
	f.Add([]byte(`{"exp":99999999999}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, ok := scanClaims(text)
		if !ok {
			return
		}
		var c claims
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatalf("%s: encoding/json refuses it: %v", text, err)
		}
		var expires, notBefore int64
		if c.ExpiresAt != nil {
			expires = c.ExpiresAt.Unix()
		}
		if c.NotBefore != nil {
			notBefore = c.NotBefore.Unix()
		}
		forUs := false
		for _, a := range c.Audience {
			forUs = forUs || a == audience
		}
		if string(got.issuer) != c.Issuer || string(got.user) != c.Subject || string(got.subscription) != c.Subscription ||
			got.forUs != forUs || got.expires != expires || got.notBefore != notBefore {
			t.Errorf("%s: %+v, encoding/json has %+v", text, got, c)
		}
	})
}
