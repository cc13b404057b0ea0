// Package script runs the scripts of Envoy's lua filter in the embedded data
// plane.
//
// Type is the filter for the same message that Envoy takes. A filter has one Lua
// state, which requests use one at a time, so that what a script keeps in its
// tables is one thing for all connections. (Envoy has a state per worker.) A
// script may take Limit for one call; one that takes longer, or fails, is logged
// and loses its say: the request goes on as it then is, as in Envoy.
//
// A script sees a part of Envoy's stream handle: headers (get, getNumValues,
// getAtIndex, add, replace, remove), respond, clearRouteCache, streamInfo():dynamicMetadata() (get, set of
// text), timestamp, timestampString and the log functions; and of Lua's own
// libraries base, string, table and math. Files, processes, other services
// and bodies it cannot reach. Its memory is the proxy's, bounded only by its time.
package script
