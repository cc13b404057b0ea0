package ratelimit

import (
	"strconv"
	"time"
)

// The headers, in lower case. Their values are those of Envoy's
// DRAFT_VERSION_03 as Envoy 1.40 writes them: limit and remaining in whole
// tokens, reset and retry-after in seconds, rounded up, until there is a token;
// reset is 0 when there is one, retry-after at least 1.
const (
	limitHeader      = "x-ratelimit-limit"
	remainingHeader  = "x-ratelimit-remaining"
	resetHeader      = "x-ratelimit-reset"
	retryAfterHeader = "retry-after"
)

// refusal is the body of a refusal, in Envoy's words.
const refusal = "local_rate_limited"

// seconds rounds up.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// written are small numbers as text, made once, so that the headers of a
// response cost no allocation.
var written = func() (texts [1024]string) {
	for i := range texts {
		texts[i] = strconv.Itoa(i)
	}
	return texts
}()

var writtenBytes = func() (texts [len(written)][]byte) {
	for i := range texts {
		texts[i] = []byte(written[i])
	}
	return texts
}()

// decimalBytes returns the number as text that must not be changed.
func decimalBytes(n int64) []byte {
	if n >= 0 && n < int64(len(writtenBytes)) {
		return writtenBytes[n]
	}
	return strconv.AppendInt(nil, n, 10)
}

// decimalValues returns the number as the values of a header, with no room to
// append to.
func decimalValues(n int64) []string {
	if n >= 0 && n < int64(len(written)) {
		return written[n : n+1 : n+1]
	}
	return []string{strconv.FormatInt(n, 10)}
}
