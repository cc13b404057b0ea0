// The part of the ABI v0.2.0 of Envoy's dynamic modules that this module uses.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct {
  const char* data;
  size_t size;
} buffer;

typedef struct {
  buffer name, value;
} field;

enum { request_headers = 0, response_headers = 2 };
enum { headers_continue = 0, headers_stop = 1 };
enum { level_error = 4 };

// What Envoy has. Objects of its own and of ours are numbers here.
bool envoy_dynamic_module_callback_http_get_header(uintptr_t filter, int of, buffer name, buffer* value, size_t index, size_t* count);
bool envoy_dynamic_module_callback_http_set_header(uintptr_t filter, int of, buffer name, buffer value);
bool envoy_dynamic_module_callback_http_add_header(uintptr_t filter, int of, buffer name, buffer value);
void envoy_dynamic_module_callback_http_send_response(uintptr_t filter, uint32_t status, field* headers, size_t count, buffer body, buffer details);
void envoy_dynamic_module_callback_http_clear_route_cache(uintptr_t filter);
void envoy_dynamic_module_callback_log(int level, buffer text);
