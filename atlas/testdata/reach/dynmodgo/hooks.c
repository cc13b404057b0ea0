// The hooks that Envoy wants to be there and that have nothing to do.
#include "abi.h"

const char* envoy_dynamic_module_on_program_init(void) { return "v0.2.0"; }

static char nothing;

const void* envoy_dynamic_module_on_http_filter_config_new(uintptr_t envoy, buffer name, buffer config) { return &nothing; }
void envoy_dynamic_module_on_http_filter_config_destroy(uintptr_t config) {}
const void* envoy_dynamic_module_on_http_filter_per_route_config_new(buffer name, buffer config) { return &nothing; }
void envoy_dynamic_module_on_http_filter_per_route_config_destroy(uintptr_t config) {}

#define IDLE(hook) \
  int envoy_dynamic_module_on_http_filter_##hook(void) { return go_on; }
IDLE(request_trailers)
IDLE(response_trailers)
IDLE(local_reply)
IDLE(stream_complete)
IDLE(scheduled)
IDLE(http_stream_headers)
IDLE(http_stream_data)
IDLE(http_stream_trailers)
IDLE(http_stream_complete)
IDLE(http_stream_reset)
IDLE(downstream_above_write_buffer_high_watermark)
IDLE(downstream_below_write_buffer_low_watermark)
IDLE(config_scheduled)
IDLE(config_http_callout_done)
IDLE(config_http_stream_headers)
IDLE(config_http_stream_data)
IDLE(config_http_stream_trailers)
IDLE(config_http_stream_complete)
IDLE(config_http_stream_reset)
