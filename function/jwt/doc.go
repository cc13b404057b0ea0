// Package jwt is the token check, in the form of Envoy's jwt_authn.
package jwt
