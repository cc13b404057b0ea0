// The part of the ABI v0.2.0 of Envoy's dynamic modules that is tried.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char* data;
  size_t size;
} buffer;

typedef struct {
  buffer name, value;
} field;

enum { request_headers = 0, response_headers = 2 };
enum { request_body = 0, response_body = 2 };  // what has come; what is held is one more
enum { source_address = 24 };
enum { go_on = 0, stop = 1, stop_all = 3 };  // stop: of a body, it is held

bool envoy_dynamic_module_callback_http_get_header(uintptr_t filter, int of, buffer name, buffer* value, size_t index, size_t* count);
bool envoy_dynamic_module_callback_http_set_header(uintptr_t filter, int of, buffer name, buffer value);
size_t envoy_dynamic_module_callback_http_get_body_size(uintptr_t filter, int of);
size_t envoy_dynamic_module_callback_http_get_body_chunks_size(uintptr_t filter, int of);
bool envoy_dynamic_module_callback_http_get_body_chunks(uintptr_t filter, int of, buffer* chunks);
bool envoy_dynamic_module_callback_http_drain_body(uintptr_t filter, int of, size_t size);
bool envoy_dynamic_module_callback_http_append_body(uintptr_t filter, int of, buffer data);
bool envoy_dynamic_module_callback_http_filter_get_attribute_string(uintptr_t filter, int id, buffer* value);
void envoy_dynamic_module_callback_http_send_response(uintptr_t filter, uint32_t status, field* headers, size_t count, buffer body, buffer details);
int envoy_dynamic_module_callback_http_filter_http_callout(uintptr_t filter, uint64_t* id, buffer cluster, field* headers, size_t count, buffer body, uint64_t milliseconds);
void envoy_dynamic_module_callback_http_filter_continue_decoding(uintptr_t filter);
void envoy_dynamic_module_callback_http_clear_route_cache(uintptr_t filter);

// ask calls the cluster other; its literals are where Go's may not be.
static inline int ask(uintptr_t filter) {
  uint64_t id;
  buffer none = {0, 0}, other = {"other", 5};
  field head[] = {{{":method", 7}, {"GET", 3}}, {{":path", 5}, {"/", 1}}, {{"host", 4}, {"other", 5}}};
  return envoy_dynamic_module_callback_http_filter_http_callout(filter, &id, other, head, 3, none, 5000);
}
