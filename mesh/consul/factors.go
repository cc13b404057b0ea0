package consul

import "errors"

// lacking are the factors that a mesh cannot give, with the reason.
var lacking = map[string]string{
	"protocol":   "its front end's listener is HTTP/1.1",
	"request":    "the front end forwards no bodies",
	"cores":      "its sidecars are started with all cores",
	"replicas":   "it registers one service for each treatment",
	"access-log": "its sidecars' logs are Consul's to configure",
	"mtls":       "between sidecars there is always mutual TLS",
}

// Lacks says why a factor cannot be given. What
// stands anyway it can give; encryption is not to be chosen at all.
func (*Testbed) Lacks(factor, level string) error {
	why, ok := lacking[factor]
	idle := map[string]string{"protocol": "http/1.1", "request": "0B", "replicas": "1", "access-log": "off"}
	if !ok || idle[factor] == level {
		return nil
	}
	return errors.New(why)
}
