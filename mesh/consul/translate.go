package consul

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	wasmfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/wasm/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
	"github.com/taremesh/tare/testbed"
)

// wish is what a treatment on the mesh needs of Consul.
type wish struct {
	api, web string   // its services: what is called, and who calls
	entries  []any    // configuration entries, in the order of writing
	modules  [][]byte // files that the api's sidecar inherits, from descriptor 3
	chain    []string // the filters that its listener must show, in order
}

// The names that Consul gives filters in an Envoy.
const (
	jwtFilter  = "envoy.filters.http.jwt_authn"
	rbacFilter = "envoy.filters.http.rbac" // intentions
	wasmFilter = "envoy.filters.http.wasm"
)

// payloadHeader hands on the payload of the token that was checked.
const payloadHeader = "x-token-payload"

// translate says in Consul's words what the topology's proxy shall do.
func translate(t testbed.Topology) (*wish, error) {
	if t.DataPlane != plane {
		return nil, fmt.Errorf("its proxies are on the data plane %q, and Consul's sidecars are Envoys: write dataplane: %s", t.DataPlane, plane)
	}
	w := &wish{api: "api-" + t.Name, web: "web-" + t.Name}
	defaults := serviceDefaults{Kind: "service-defaults", Name: w.api, Protocol: "http"}
	front := source{Name: w.web, Action: "allow"}
	var check *jwtProvider
	for _, f := range t.Proxy.Filters {
		m, err := f.Config.UnmarshalNew()
		if err != nil {
			return nil, fmt.Errorf("read filter %s: %w", f.Name, err)
		}
		switch m := m.(type) {
		case *jwtv3.JwtAuthentication:
			if check != nil || len(defaults.EnvoyExtensions) > 0 {
				return nil, fmt.Errorf("filter %s: Consul checks tokens once, before every other filter", f.Name)
			}
			if check, err = w.tokenCheck(m, &front); err != nil {
				return nil, fmt.Errorf("filter %s: %w", f.Name, err)
			}
		case *wasmfilterv3.Wasm:
			e, err := w.extension(m, check != nil)
			if err != nil {
				return nil, fmt.Errorf("filter %s: %w", f.Name, err)
			}
			defaults.EnvoyExtensions = append(defaults.EnvoyExtensions, e)
		default:
			return nil, fmt.Errorf("filter %s is not placed by Consul, which places a token check (%s) and proxy-wasm modules", f.Name, jwtFilter)
		}
	}
	if err := checkRoutes(t.Proxy); err != nil {
		return nil, err
	}
	w.entries = []any{serviceDefaults{Kind: "service-defaults", Name: w.web, Protocol: "http"}, defaults}
	if check != nil {
		w.entries = append(w.entries, *check)
		w.chain = append(w.chain, jwtFilter)
	}
	w.entries = append(w.entries, serviceIntentions{Kind: "service-intentions", Name: w.api, Sources: []source{front}})
	w.chain = append(w.chain, rbacFilter)
	for range w.modules {
		w.chain = append(w.chain, wasmFilter)
	}
	return w, nil
}

// checkRoutes: a sidecar sends everything to its service.
func checkRoutes(p *dataplane.Proxy) error {
	for _, h := range p.Hosts {
		for _, r := range h.Routes {
			if r.Exact || r.Path != "/" || r.Cluster != testbed.ServiceCluster || len(r.Overrides) > 0 {
				return fmt.Errorf("the route %s of host %s: a sidecar of Consul's sends every request to its service", r.Path, h.Name)
			}
		}
	}
	if len(p.Clusters) > 0 {
		return fmt.Errorf("cluster %s: a sidecar of Consul's has its service alone behind it", p.Clusters[0].Name)
	}
	return nil
}

// jwtFields is what can be said to Consul of a token check. Its own tolerance
// for clocks and a demand for the claim exp it does not hand on to Envoy; what
// claim_to_headers asks for is met by the forwarded payload.
func jwtFields() protofield.Honoured {
	const of = "envoy.extensions.filters.http.jwt_authn.v3."
	return protofield.Honoured{
		of + "JwtAuthentication": {"providers", "rules"},
		of + "JwtProvider": {"issuer", "audiences", "local_jwks", "forward", "from_headers",
			"claim_to_headers", "clock_skew_seconds", "require_expiration"},
		of + "JwtHeader":                   {"name", "value_prefix"},
		of + "JwtClaimToHeader":            {"header_name", "claim_name"},
		of + "RequirementRule":             {"match", "requires"},
		of + "JwtRequirement":              {"provider_name"},
		"envoy.config.core.v3.DataSource":  {"inline_string"},
		"envoy.config.route.v3.RouteMatch": {"prefix", "path"},
	}
}

// tokenCheck makes a provider of the message, and of its rules the permissions
// of the intention that demand it.
func (w *wish) tokenCheck(m *jwtv3.JwtAuthentication, front *source) (*jwtProvider, error) {
	if err := protofield.Check(m, jwtFields()); err != nil {
		return nil, err
	}
	if len(m.GetProviders()) != 1 {
		return nil, fmt.Errorf("field providers: %d of them: want one", len(m.GetProviders()))
	}
	name := "tokens-" + w.api
	var p jwtProvider
	for _, given := range m.GetProviders() {
		p = jwtProvider{
			Kind: "jwt-provider", Name: name, Issuer: given.GetIssuer(), Audiences: given.GetAudiences(),
			JSONWebKeySet: keySet{localKeys{base64.StdEncoding.EncodeToString([]byte(given.GetLocalJwks().GetInlineString()))}},
			Forwarding:    forwarding{payloadHeader},
		}
		for _, h := range given.GetFromHeaders() {
			p.Locations = append(p.Locations, location{headerLocation{Name: h.GetName(), ValuePrefix: h.GetValuePrefix(), Forward: given.GetForward()}})
		}
	}
	front.Action = ""
	for i, r := range m.GetRules() {
		allow := permission{Action: "allow"}
		switch at := r.GetMatch().GetPathSpecifier().(type) {
		case *routev3.RouteMatch_Prefix:
			allow.HTTP.PathPrefix = at.Prefix
		case *routev3.RouteMatch_Path:
			allow.HTTP.PathExact = at.Path
		default:
			return nil, fmt.Errorf("field rules[%d].match: neither prefix nor path", i)
		}
		if r.GetRequires() != nil {
			allow.JWT = &jwtDemand{[]named{{name}}}
		}
		front.Permissions = append(front.Permissions, allow)
	}
	return &p, nil
}

// wasmFields is what can be said to Consul of a module.
func wasmFields() protofield.Honoured {
	const of = "envoy.extensions.wasm.v3."
	return protofield.Honoured{
		"envoy.extensions.filters.http.wasm.v3.Wasm": {"config"},
		of + "PluginConfig":                          {"name", "root_id", "configuration", "vm_config"},
		of + "VmConfig":                              {"vm_id", "runtime", "code"},
		"envoy.config.core.v3.AsyncDataSource":       {"local"},
		"envoy.config.core.v3.DataSource":            {"inline_bytes"},
	}
}

// engines is how the names of Envoy's WASM engines begin.
const engines = "envoy.wasm.runtime."

// extension makes the extension builtin/wasm of the message; the module becomes
// the next file that the sidecar inherits.
func (w *wish) extension(m *wasmfilterv3.Wasm, checked bool) (extension, error) {
	if err := protofield.Check(m, wasmFields()); err != nil {
		return extension{}, err
	}
	p, vm := m.GetConfig(), m.GetConfig().GetVmConfig()
	text, err := configuration(p.GetConfiguration())
	if err != nil {
		return extension{}, err
	}
	if checked {
		if text, err = withPayloadHeader(text); err != nil {
			return extension{}, fmt.Errorf("field config.configuration: %w", err)
		}
	}
	file := fmt.Sprintf("/dev/fd/%d", 3+len(w.modules))
	w.modules = append(w.modules, vm.GetCode().GetLocal().GetInlineBytes())
	return extension{Name: "builtin/wasm", Required: true, Arguments: wasmArguments{
		Protocol: "http", ListenerType: "inbound",
		PluginConfig: plugin{
			Name: p.GetName(), RootID: p.GetRootId(), Configuration: text,
			VMConfig: vmConfig{VMID: vm.GetVmId(), Runtime: strings.TrimPrefix(vm.GetRuntime(), engines), Code: code{localFile{file}}},
		},
	}}, nil
}

// configuration is the text of a plugin's configuration, the one kind that
// Consul can hand on.
func configuration(packed *anypb.Any) (string, error) {
	if packed == nil {
		return "", nil
	}
	m, err := packed.UnmarshalNew()
	if err != nil {
		return "", fmt.Errorf("field config.configuration: %w", err)
	}
	s, ok := m.(*wrapperspb.StringValue)
	if !ok {
		return "", fmt.Errorf("field config.configuration: a %s: Consul hands on text only", m.ProtoReflect().Descriptor().FullName())
	}
	return s.GetValue(), nil
}

// withPayloadHeader tells a module where the payload of the token is. One
// whose configuration is no JSON object, or names a header itself, is left alone.
func withPayloadHeader(text string) (string, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &fields) != nil || fields == nil {
		return text, nil
	}
	if _, given := fields[function.PayloadHeaderField]; given {
		return text, nil
	}
	fields[function.PayloadHeaderField] = json.RawMessage(`"` + payloadHeader + `"`)
	all, err := json.Marshal(fields)
	return string(all), err
}
