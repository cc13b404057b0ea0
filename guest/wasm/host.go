//go:build wasip1

package main

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"github.com/taremesh/tare/guest/inside"
)

//go:wasmimport env proxy_log
func proxyLog(level uint32, text string) uint32

//go:wasmimport env proxy_get_buffer_bytes
func proxyGetBufferBytes(kind, start, size uint32, data, length *uint32) uint32

//go:wasmimport env proxy_get_header_map_value
func proxyGetHeader(of uint32, name string, data, length *uint32) uint32

//go:wasmimport env proxy_get_header_map_pairs
func proxyGetHeaders(of uint32, data, length *uint32) uint32

//go:wasmimport env proxy_replace_header_map_value
func proxySetHeader(of uint32, name, value string) uint32

//go:wasmimport env proxy_add_header_map_value
func proxyAddHeader(of uint32, name, value string) uint32

//go:wasmimport env proxy_remove_header_map_value
func proxyRemoveHeader(of uint32, name string) uint32

//go:wasmimport env proxy_send_local_response
func proxyReply(status uint32, details, body, headers string, grpc int32) uint32

//go:wasmimport env proxy_call_foreign_function
func proxyCallForeign(name, parameters string, results, size *uint32) uint32

//go:wasmimport env proxy_get_shared_data
func proxyGetShared(key string, data, length, stamp *uint32) uint32

//go:wasmimport env proxy_set_shared_data
func proxySetShared(key, value string, stamp uint32) uint32

//go:wasmimport env proxy_get_current_time_nanoseconds
func proxyTime(now *uint64) uint32

// host is the proxy for one stream.
type host struct {
	all    [][2]string // the request's headers, once they were asked for
	gotten bool
}

var _ inside.Host = (*host)(nil)

func (h *host) Value(name string) (string, bool) {
	var data, length uint32
	if proxyGetHeader(requestHeaders, name, &data, &length) != statusOK {
		return "", false
	}
	return taken(length), true
}

// Values takes in all headers: the ABI gives no more than one copy by name.
func (h *host) Values(name string) (values []string) {
	if !h.gotten {
		var data, length uint32
		if proxyGetHeaders(requestHeaders, &data, &length) == statusOK {
			h.all = pairs(taken(length))
		}
		h.gotten = true
	}
	for _, f := range h.all {
		if strings.EqualFold(f[0], name) {
			values = append(values, f[1])
		}
	}
	return values
}

func side(of inside.Side) uint32 {
	if of == inside.Response {
		return responseHeaders
	}
	return requestHeaders
}

func (h *host) Set(of inside.Side, name, value string) { proxySetHeader(side(of), name, value) }
func (h *host) Add(of inside.Side, name, value string) { proxyAddHeader(side(of), name, value) }
func (h *host) Remove(of inside.Side, name string)     { proxyRemoveHeader(side(of), name) }

// ClearRoute: the ABI has no function for it that all hosts have; Envoy has a
// foreign one.
func (h *host) ClearRoute() {
	var results, size uint32
	proxyCallForeign("clear_route_cache", "", &results, &size)
}

func (h *host) Reply(status int, headers [][2]string, body string) {
	proxyReply(uint32(status), "", body, written(headers), -1)
}

// pairs reads a map as the ABI writes it: how many, the sizes of all names and
// values, then names and values, each with a zero behind it.
func pairs(text string) (all [][2]string) {
	if len(text) < 4 {
		return nil
	}
	n := int(word(text))
	at := 4 + 8*n
	cut := func(size uint32) string {
		from, to := at, at+int(size)
		if from > len(text) || to > len(text) {
			return ""
		}
		at = to + 1
		return text[from:to]
	}
	for i := range n {
		sizes := text[4+8*i:]
		name := cut(word(sizes))
		all = append(all, [2]string{name, cut(word(sizes[4:]))})
	}
	return all
}

func word(text string) uint32 {
	return uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16 | uint32(text[3])<<24
}

// written writes a map.
func written(headers [][2]string) string {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(headers)))
	for _, f := range headers {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f[0])))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f[1])))
	}
	for _, f := range headers {
		b = append(append(append(append(b, f[0]...), 0), f[1]...), 0)
	}
	return string(b)
}

// shared keeps buckets in the proxy's shared data.
type shared struct{}

const (
	notFound    = 1
	casMismatch = 8
	// absent is a stamp that no value is given. A write with it makes a key that
	// is not there, and fails on one that is.
	absent = 1<<32 - 1
	// tries is how often a request tries to write its bucket: each failure is
	// another request that took a token.
	tries      = 1000
	bucketSize = 16
)

// Take takes a token.
func (shared) Take(key string, l *inside.Limit) (inside.Decision, error) {
	var d inside.Decision
	for range tries {
		var data, length, stamp uint32
		var bucket inside.Bucket
		read := proxyGetShared(key, &data, &length, &stamp)
		var now uint64
		proxyTime(&now)
		switch read {
		case statusOK:
			if text := taken(length); len(text) == bucketSize {
				b := []byte(text)
				bucket = inside.Bucket{Level: int64(binary.LittleEndian.Uint64(b)), At: int64(binary.LittleEndian.Uint64(b[8:]))}
			} else {
				bucket = l.Full(int64(now))
			}
		case notFound:
			bucket, stamp = l.Full(int64(now)), absent
		default:
			return d, errors.New("shared data: status " + strconv.Itoa(int(read)))
		}
		bucket, d = l.Take(bucket, int64(now))
		if !d.Allowed {
			return d, nil
		}
		b := binary.LittleEndian.AppendUint64(nil, uint64(bucket.Level))
		b = binary.LittleEndian.AppendUint64(b, uint64(bucket.At))
		switch status := proxySetShared(key, string(b), stamp); status {
		case statusOK:
			return d, nil
		case casMismatch:
		default:
			return d, errors.New("shared data: status " + strconv.Itoa(int(status)))
		}
	}
	d.Allowed = false
	return d, nil
}
