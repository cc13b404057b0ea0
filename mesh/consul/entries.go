package consul

// The configuration entries of Consul that are written here, with the fields
// that are used. Their names are Consul's.

type serviceDefaults struct {
	Kind, Name, Protocol string
	EnvoyExtensions      []extension `json:",omitempty"`
}

type extension struct {
	Name      string
	Required  bool // a filter that fails refuses its request
	Arguments wasmArguments
}

type wasmArguments struct {
	Protocol, ListenerType string
	PluginConfig           plugin
}

type plugin struct {
	Name, RootID  string
	Configuration string   `json:",omitempty"`
	VMConfig      vmConfig `json:"VmConfig"`
}

type vmConfig struct {
	VMID    string `json:"VmID"`
	Runtime string
	Code    code
}

type code struct{ Local localFile }

type localFile struct{ Filename string }

type jwtProvider struct {
	Kind, Name    string
	Issuer        string   `json:",omitempty"`
	Audiences     []string `json:",omitempty"`
	JSONWebKeySet keySet
	Locations     []location
	Forwarding    forwarding
}

type keySet struct{ Local localKeys }

type localKeys struct{ JWKS string } // in base64

type location struct{ Header headerLocation }

type headerLocation struct {
	Name, ValuePrefix string
	Forward           bool
}

type forwarding struct{ HeaderName string }

type serviceIntentions struct {
	Kind, Name string
	Sources    []source
}

type source struct {
	Name        string
	Action      string       `json:",omitempty"` // without permissions
	Permissions []permission `json:",omitempty"`
}

type permission struct {
	Action string
	HTTP   httpMatch
	JWT    *jwtDemand `json:",omitempty"`
}

type httpMatch struct {
	PathExact  string `json:",omitempty"`
	PathPrefix string `json:",omitempty"`
}

type jwtDemand struct{ Providers []named }

type named struct{ Name string }

// registration is a service that the agent is told of.
type registration struct {
	Kind    string `json:",omitempty"`
	ID      string
	Name    string
	Address string
	Port    int          `json:",omitempty"`
	Proxy   *proxyConfig `json:",omitempty"`
}

type proxyConfig struct {
	DestinationServiceName string
	DestinationServiceID   string
	LocalServiceAddress    string `json:",omitempty"`
	LocalServicePort       int    `json:",omitempty"`
	Upstreams              []upstream
}

type upstream struct {
	DestinationName  string
	LocalBindAddress string
	LocalBindPort    int
}
