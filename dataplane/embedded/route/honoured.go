package route

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/taremesh/tare/internal/protofield"
)

// withHeaders adds the fields by which heads are changed, at every level.
func withHeaders(and ...protoreflect.Name) []protoreflect.Name {
	return append(and, "request_headers_to_add", "request_headers_to_remove", "response_headers_to_add", "response_headers_to_remove", "typed_per_filter_config")
}

// Honoured is what Decode understands.
func Honoured() protofield.Honoured {
	const at = "envoy.config.route.v3."
	return protofield.Honoured{
		at + "RouteConfiguration": withHeaders("name", "virtual_hosts", "request_mirror_policies", "validate_clusters"),
		at + "VirtualHost":        withHeaders("name", "domains", "routes", "retry_policy", "request_mirror_policies"),
		at + "Route":              withHeaders("name", "match", "route", "redirect", "direct_response"),
		at + "RouteMatch": {
			"path", "prefix", "path_separated_prefix", "safe_regex", "case_sensitive", "headers", "query_parameters", "cookies", "grpc",
		},
		at + "RouteMatch.GrpcRouteMatchOptions": {},
		at + "HeaderMatcher": {
			"name", "string_match", "range_match", "present_match", "invert_match", "treat_missing_header_as_empty",
		},
		at + "QueryParameterMatcher": {"name", "string_match", "present_match"},
		at + "CookieMatcher":         {"name", "string_match", "invert_match"},
		at + "RouteAction": {
			"cluster", "cluster_header", "weighted_clusters", "cluster_not_found_response_code", "prefix_rewrite", "regex_rewrite",
			"host_rewrite_literal", "host_rewrite_header", "host_rewrite_path_regex", "append_x_forwarded_host", "timeout", "idle_timeout",
			"retry_policy", "request_mirror_policies", "hash_policy", "max_stream_duration", "max_grpc_timeout",
		},
		at + "RouteAction.MaxStreamDuration":               {"max_stream_duration", "grpc_timeout_header_max", "grpc_timeout_header_offset"},
		at + "RouteAction.RequestMirrorPolicy":             {"cluster", "runtime_fraction", "disable_shadow_host_suffix_append"},
		at + "RouteAction.HashPolicy":                      {"header", "cookie", "connection_properties", "query_parameter", "terminal"},
		at + "RouteAction.HashPolicy.Header":               {"header_name", "regex_rewrite"},
		at + "RouteAction.HashPolicy.Cookie":               {"name", "ttl", "path", "attributes"},
		at + "RouteAction.HashPolicy.CookieAttribute":      {"name", "value"},
		at + "RouteAction.HashPolicy.ConnectionProperties": {"source_ip"},
		at + "RouteAction.HashPolicy.QueryParameter":       {"name"},
		at + "WeightedCluster":                             {"clusters", "header_name", "use_hash_policy"},
		at + "WeightedCluster.ClusterWeight":               withHeaders("name", "weight", "host_rewrite_literal"),
		at + "RetryPolicy": {
			"retry_on", "num_retries", "per_try_timeout", "retry_host_predicate", "host_selection_retry_max_attempts", "retriable_status_codes",
			"retry_back_off", "rate_limited_retry_back_off", "retriable_headers", "retriable_request_headers",
		},
		at + "RetryPolicy.RetryHostPredicate":      {"name", "typed_config"},
		at + "RetryPolicy.RetryBackOff":            {"base_interval", "max_interval"},
		at + "RetryPolicy.RateLimitedRetryBackOff": {"reset_headers", "max_interval"},
		at + "RetryPolicy.ResetHeader":             {"name", "format"},
		at + "RedirectAction": {
			"https_redirect", "scheme_redirect", "host_redirect", "port_redirect", "path_redirect", "prefix_rewrite", "regex_rewrite",
			"response_code", "strip_query",
		},
		at + "DirectResponseAction":                     {"status", "body"},
		at + "FilterConfig":                             {"config", "is_optional", "disabled"},
		"envoy.config.core.v3.HeaderValueOption":        {"header", "append_action", "keep_empty_value"},
		"envoy.config.core.v3.HeaderValue":              {"key", "value", "raw_value"},
		"envoy.config.core.v3.RuntimeFractionalPercent": {"default_value"},
		"envoy.config.core.v3.DataSource":               {"inline_string", "inline_bytes"},
		"envoy.type.v3.FractionalPercent":               {"numerator", "denominator"},
		"envoy.type.v3.Int64Range":                      {"start", "end"},
		"envoy.type.matcher.v3.StringMatcher":           {"exact", "prefix", "suffix", "contains", "safe_regex", "ignore_case"},
		"envoy.type.matcher.v3.RegexMatcher":            {"google_re2", "regex"},
		"envoy.type.matcher.v3.RegexMatcher.GoogleRE2":  {},
		"envoy.type.matcher.v3.RegexMatchAndSubstitute": {"pattern", "substitution"},
	}
}
