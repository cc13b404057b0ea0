// Package exposition writes a report in the formats of other tools.
//
// Bench writes Go's benchmark format, which benchstat compares; Hgrm the
// percentile text of HdrHistogram; OpenMetrics the text that Prometheus reads;
// OTLP a request of OpenTelemetry's metrics service. The last two print the
// same metrics, in base units. It computes nothing that the report has not,
// but for the percentiles of Hgrm, which come from the raw samples, and sends
// nothing: docs/formats has a page for each format.
package exposition

import "strconv"

// value is a text of a report that may be null.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// exact prints a number so that reading it gives the same number.
func exact(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
