// Package discovery is service discovery: which replicas there are, as the
// control plane says over EDS, while requests are under way.
//
// A replica that is added gets its turn, and one that is removed gets no new
// request; those that it has it answers. No request fails by a change.
package discovery
