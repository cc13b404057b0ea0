package protofield_test

import (
	"fmt"
	"strings"
	"testing"

	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/internal/protofield"
)

func ExampleCheck() {
	bucket := &typev3.TokenBucket{MaxTokens: 10, FillInterval: durationpb.New(1e9)}
	fmt.Println(protofield.Check(bucket, protofield.Honoured{"envoy.type.v3.TokenBucket": {"max_tokens"}}))
	// Output: field fill_interval: not supported
}

func TestCheck(t *testing.T) {
	all := protofield.Honoured{
		"envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor":  {"entries", "token_bucket"},
		"envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry": {"key"},
		"envoy.type.v3.TokenBucket":                                      {"max_tokens", "fill_interval"},
		"envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication":   {"providers"},
		"envoy.extensions.filters.http.jwt_authn.v3.JwtProvider":         {"issuer", "audiences"},
	}
	newer := &typev3.TokenBucket{}
	newer.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1})
	type entry = ratelimitv3.RateLimitDescriptor_Entry
	cases := []struct {
		name    string
		message proto.Message
		want    string // in the error; empty: none
	}{
		{"empty", &typev3.TokenBucket{}, ""},
		{"all honoured", &ratelimitv3.LocalRateLimitDescriptor{Entries: []*entry{{Key: "a"}}, TokenBucket: &typev3.TokenBucket{MaxTokens: 1}}, ""},
		{"well-known messages are values", &typev3.TokenBucket{FillInterval: durationpb.New(1)}, ""},
		{"in a list", &ratelimitv3.LocalRateLimitDescriptor{Entries: []*entry{{Key: "a"}, {Value: "b"}}}, "entries[1].value"},
		{"a scalar", &ratelimitv3.LocalRateLimitDescriptor{ShadowMode: true}, "shadow_mode"},
		{"in a map", &jwtv3.JwtAuthentication{Providers: map[string]*jwtv3.JwtProvider{"p": {Forward: true}}}, `providers["p"].forward`},
		{"a list of scalars", &jwtv3.JwtAuthentication{Providers: map[string]*jwtv3.JwtProvider{"p": {Audiences: []string{"a"}}}}, ""},
		{"a message not listed", &jwtv3.JwtHeader{Name: "x"}, "name"},
		{"not known to this binary", newer, "#127"},
		{"not known, nested", &ratelimitv3.LocalRateLimitDescriptor{TokenBucket: newer}, "token_bucket.#127"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := protofield.Check(c.message, all)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), "field "+c.want+":")) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
