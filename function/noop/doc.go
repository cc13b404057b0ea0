// Package noop is the function that does nothing: what a filter costs by being
// there.
//
// In the form wasm it is a module that is called where the rate limit's is
// called (at the head of a request and of its response), asks its host for
// nothing and lets everything on. In the form native it is Envoy's header
// mutation, called at the same places and told to change nothing. A study's control "noop" puts it where the
// function under test stands in another treatment, so that what the form costs
// can be told from what the function costs.
//
// It takes no parameters. In the other forms there is nothing to copy: see
// Without.
package noop
