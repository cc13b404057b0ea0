// Package metrics is counters of requests: how many there were for each path
// and class of status, and how long they took.
//
// tare_requests_total counts by the labels path and class (2xx to 5xx), and
// tare_request_seconds is a histogram by path. Only paths that the parameters
// list have a label of their own; the rest is "other", so that callers cannot
// make series. One path answers with the figures in Prometheus' text format
// and is not counted itself. A request counts when its response has ended.
// Figures are those of one process.
//
// library is a middleware around Prometheus' own client, or interceptors for
// servers of gRPC (NewGRPC) that count a full method as the path. A proxy's counters
// (Envoy's, and those that the embedded plane shows on its admin address) count
// by themselves, not as a function.
package metrics
