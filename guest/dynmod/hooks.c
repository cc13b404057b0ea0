//go:build dynmod && cgo

// The hooks that Envoy wants to be there and that have nothing to do: bodies and
// trailers go on, calls and streams of our own there are none.
#include "abi.h"

const char* envoy_dynamic_module_on_program_init(void) { return "v0.2.0"; }

static char none;

const void* envoy_dynamic_module_on_http_filter_per_route_config_new(buffer name, buffer config) { return &none; }
void envoy_dynamic_module_on_http_filter_per_route_config_destroy(uintptr_t config) {}

#define PROCEEDS(hook, ...) \
  int envoy_dynamic_module_on_http_filter_##hook(uintptr_t filter, uintptr_t ours, ##__VA_ARGS__) { return 0; }
PROCEEDS(request_body, bool end)
PROCEEDS(request_trailers)
PROCEEDS(response_body, bool end)
PROCEEDS(response_trailers)
PROCEEDS(local_reply, uint32_t status, buffer details, bool reset)

#define IGNORES(hook, ...) \
  void envoy_dynamic_module_on_http_filter_##hook(uintptr_t filter, uintptr_t ours, ##__VA_ARGS__) {}
IGNORES(stream_complete)
IGNORES(scheduled, uint64_t event)
IGNORES(http_callout_done, uint64_t id, int result, field* headers, size_t count, buffer* body, size_t chunks)
IGNORES(http_stream_headers, uint64_t id, field* headers, size_t count, bool end)
IGNORES(http_stream_data, uint64_t id, const buffer* data, size_t count, bool end)
IGNORES(http_stream_trailers, uint64_t id, field* trailers, size_t count)
IGNORES(http_stream_complete, uint64_t id)
IGNORES(http_stream_reset, uint64_t id, int reason)
IGNORES(downstream_above_write_buffer_high_watermark)
IGNORES(downstream_below_write_buffer_low_watermark)
IGNORES(config_scheduled, uint64_t event)
IGNORES(config_http_callout_done, uint64_t id, int result, field* headers, size_t count, buffer* body, size_t chunks)
IGNORES(config_http_stream_headers, uint64_t id, field* headers, size_t count, bool end)
IGNORES(config_http_stream_data, uint64_t id, const buffer* data, size_t count, bool end)
IGNORES(config_http_stream_trailers, uint64_t id, field* trailers, size_t count)
IGNORES(config_http_stream_complete, uint64_t id)
IGNORES(config_http_stream_reset, uint64_t id, int reason)
