package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/http1"
)

func request(t testing.TB, head string) *http1.Request {
	t.Helper()
	r := &http1.Request{}
	if err := r.Parse([]byte(head)); err != nil {
		t.Fatal(err)
	}
	return r
}

const logged = "POST /pull?image=a HTTP/1.0\r\nHost: hub.test\r\nUser-Agent: x y\r\nContent-Length: 7\r\n\r\n"

func TestLogFormat(t *testing.T) {
	r := request(t, logged)
	began := time.Date(2024, 2, 3, 4, 5, 6, 7_890_123, time.FixedZone("", 3600))
	for format, want := range map[string]string{
		dataplane.LogFormat:                    `[2024-02-03T03:05:06.007Z] "POST /pull?image=a HTTP/1.0" 404 7 12 31 "x y" "hub.test" "127.0.0.1:9"` + "\n",
		"%REQ(Host)%|%REQ(X-None)%|100%%\n":    "hub.test|-|100%\n",
		"no operator":                          "no operator",
		"%RESPONSE_CODE%%DURATION%":            "40431",
		"%REQ(USER-AGENT)%%REQ(:METHOD)% \r\n": "x yPOST \r\n",
	} {
		f, err := parseLogFormat(format)
		if err != nil {
			t.Errorf("%q: %v", format, err)
			continue
		}
		n := &note{}
		n.begin(&accessLog{logFormat: f}, r)
		n.began, n.status, n.sent, n.upstream = began, 404, 12, "127.0.0.1:9"
		if got := string(f.append(nil, n, began.Add(31_999*time.Microsecond))); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", format, got, want)
		}
		n.begin(&accessLog{logFormat: f}, nil)
		n.end()
		if got := string(f.append(nil, n, n.began)); strings.Contains(got, "hub") {
			t.Errorf("a request that was not understood: %q", got)
		}
	}
	for format, want := range map[string]string{
		"%CHEESE%":                   "%CHEESE% is not supported",
		"%REQ(A?B)%":                 "%REQ(A?B)% is not supported",
		"%REQ(A):10%":                "not supported",
		"%START_TIME(%s)%":           "not supported",
		"%DURATION":                  "%DURATION has no end",
		"%RESPONSE_CODE% %DURATION ": "no end",
	} {
		if _, err := parseLogFormat(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", format, err, want)
		}
	}
}

// Lines of requests at the same time are whole, and none is missing; the file
// is written before its end too.
func TestLogOfManyRequests(t *testing.T) {
	const clients, each = 8, 2000
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(logSpec{path, "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %REQ(USER-AGENT)%\n"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range clients {
		r := request(t, logged)
		wg.Go(func() {
			n := &note{}
			for range each {
				n.begin(l, r)
				n.status = 200
				n.end()
			}
		})
	}
	wg.Wait()
	for i, err := os.Stat(path); err != nil || i.Size() == 0; i, err = os.Stat(path) {
		if errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	l.close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line := "POST /pull?image=a 200 x y\n"
	if got := strings.Count(string(text), line); got != clients*each || len(text) != got*len(line) {
		t.Errorf("%d whole lines of %d, %d bytes", got, clients*each, len(text))
	}
}

// What cannot be written is said, once.
func TestLogThatIsFull(t *testing.T) {
	var lost []error
	l, err := openLog(logSpec{"/dev/full", "x\n"}, func(err error) { lost = append(lost, err) })
	if err != nil {
		t.Fatal(err)
	}
	n := &note{}
	for range 2 {
		n.begin(l, request(t, logged))
		n.end()
		l.flush()
	}
	l.close()
	if len(lost) != 1 || !errors.Is(lost[0], syscall.ENOSPC) {
		t.Errorf("told of %v", lost)
	}
}

func FuzzLogFormat(f *testing.F) {
	for _, s := range []string{dataplane.LogFormat, "%%", "%", "%REQ(", "%REQ()%", "a%REQ(x)%b%DURATION%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		format, err := parseLogFormat(text)
		if err != nil {
			return
		}
		n := &note{}
		n.begin(&accessLog{logFormat: format}, request(t, logged))
		format.append(nil, n, n.began)
	})
}

func BenchmarkNote(b *testing.B) {
	l, err := openLog(logSpec{"/dev/null", dataplane.LogFormat}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer l.close()
	r, n := request(b, logged), &note{}
	b.ReportAllocs()
	for b.Loop() {
		n.begin(l, r)
		n.status = 200
		n.end()
	}
}
