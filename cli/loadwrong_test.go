package cli_test

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taremesh/tare/internal/process"
)

// wrong is an input that cannot be meant, and what is said of it.
type wrong struct {
	args []string
	want string
}

// refused runs what is wrong: it is refused as input, in words of the user's,
// before anything is printed, started or written.
func refused(t *testing.T, command []string, inputs []wrong) {
	t.Helper()
	for _, c := range inputs {
		dir := t.TempDir()
		r := tare(t, dir, append(append([]string{}, command...), c.args...)...)
		if r.code != 2 || !strings.Contains(r.err, c.want) || r.out != "" || strings.Count(r.err, "\n") != 1 {
			t.Errorf("%q: exit %d, want 2 with %q: %q%s", c.args, r.code, c.want, r.err, r.out)
		}
		for _, ours := range []string{"check a load", "strconv", "invalid argument", "request 0"} {
			if strings.Contains(r.err, ours) {
				t.Errorf("%q: the user is told of %q: %s", c.args, ours, r.err)
			}
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%q: %v is left", c.args, left)
		}
	}
}

// What each flag of tare load takes.
func TestLoadFlagsRefuse(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("tare\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, []string{"load", "http://127.0.0.1:9/"}, []wrong{
		{[]string{"--rate", "-5"}, "--rate -5: it takes requests per second: a number above 0 and up to 1000000, such as 2000"},
		{[]string{"--rate", "0"}, "--rate 0: it takes"},
		{[]string{"--rate", "NaN"}, "--rate NaN: it takes"},
		{[]string{"--rate", "Inf"}, "--rate +Inf: it takes"},
		{[]string{"--rate", "2e6"}, "--rate 2e+06: it takes"},
		{[]string{"--rate", "500/s"}, "--rate 500/s: it takes requests per second: a number"},
		{[]string{"--rate", ""}, "--rate : it takes"},
		{[]string{"--duration", "10"}, "--duration 10: it takes a time above 0 and up to 1000h, with its unit, such as 10s"},
		{[]string{"--duration", "-1s"}, "--duration -1s: it takes"},
		{[]string{"--duration", "1001h"}, "--duration 1001h0m0s: it takes"},
		{[]string{"--requests", "many"}, "--requests many: it takes a whole number from 1 to 2147483647"},
		{[]string{"--requests", "0"}, "--requests 0: it takes"},
		{[]string{"--requests", "1.5"}, "--requests 1.5: it takes"},
		{[]string{"--requests", "3000000000"}, "--requests 3000000000: it takes"},
		{[]string{"--timeout", "0s"}, "--timeout 0s: it takes a time above 0 with its unit, such as 2s"},
		{[]string{"--timeout", "-2s"}, "--timeout -2s: it takes"},
		{[]string{"--seed", "-1"}, "--seed -1: it takes a whole number"},
		{[]string{"--arrivals", "bursty"}, "--arrivals bursty: it takes poisson or uniform"},
		{[]string{"--connections", "0"}, "--connections 0: it takes a whole number from 1 on"},
		{[]string{"--connections", "a few"}, "--connections a few: it takes"},
		{[]string{"--connections", "8", "--max-connections", "4"}, "--max-connections 4: it takes a whole number, no less than --connections"},
		{[]string{"--streams", "0"}, "--streams 0: it takes a whole number from 1 to 10000"},
		{[]string{"--streams", "4"}, "--streams is of HTTP/2 and gRPC: give --http2 too"},
		{[]string{"--churn", "-1"}, "--churn -1: it takes connections per second: a number from 0 to 100000"},
		{[]string{"--churn", "NaN"}, "--churn NaN: it takes"},
		{[]string{"--messages", "0"}, "--messages 0: it takes a whole number from 1 to 1048576"},
		{[]string{"--messages", "2"}, "--messages is of gRPC: begin the URL with grpc:// or grpcs://"},
		{[]string{"--users", "0"}, "--users 0: it takes a whole number from 1 to 1000000"},
		{[]string{"--users", "5", "--skew", "-1"}, "--skew -1: it takes a number from 0, all users alike, to 10"},
		{[]string{"--skew", "1"}, "--skew is of several users: say how many with --users"},
		{[]string{"--workers", "0"}, "--workers 0: it takes a whole number from 1 on"},
		{[]string{"--workers", "two"}, "--workers two: it takes"},
		{[]string{"--workers", "2", "--listen", "10.0.0.1", "--invitation", file}, "--listen 10.0.0.1: it takes an address with its port, such as 10.0.0.1:7070"},
		{[]string{"--workers", "2", "--listen", "127.0.0.1:0", "--reach", "here", "--invitation", file}, "--reach here: it takes an address with its port"},
		{[]string{"--workers", "2", "--listen", "127.0.0.1:0", "--invitation", dir}, "--invitation: "},
		{[]string{"--workers", "2", "--listen", "127.0.0.1:0", "--invitation", file, "--connections", "1"}, "--connections 1: each of the 2 workers needs one"},
		{[]string{"--method", "G E T"}, `the method is "G E T"`},
		{[]string{"--body", "x", "--method", "GET"}, "a body with the method GET, which has none"},
		{[]string{"--header", "a b: c"}, `--header "a b: c": "a b" is no header name`},
		{[]string{"--header", "Content-Length: 5"}, `--header "Content-Length: 5": the header Content-Length belongs to the generator`},
		{[]string{"--cookie", "a b=c"}, `--cookie: "a b" is no cookie's name`},
		{[]string{"--size", "big"}, "--size: read the size"},
		{[]string{"--template", "--header", "X: {nonsense}"}, "the header X"},
		{[]string{"--mix", file}, "--mix: " + file + ": line 1: "},
		{[]string{"--message", "{}"}, "--message is of gRPC"},
		{[]string{"--descriptors", file}, "--descriptors is of gRPC"},
		{[]string{"--profile", "1000/s"}, "--profile: read the profile"},
		{[]string{"--profile", "10/s for 1s", "--duration", "5s"}, "--profile 10/s for 1s: the profile ends after 1s, and the load takes 5s: let it repeat, or leave the duration out"},
		{[]string{"--trace", file}, "--trace " + file + ": "},
		{[]string{"--closed", "--fail", "lateness.p99<1ms"}, "--fail lateness.p99<1ms: a closed loop has no intended times, and so no lateness"},
		{[]string{"--closed", "--max-connections", "40"}, "--max-connections and --closed exclude each other"},
		{[]string{"--cert", file}, "--cert is of TLS, and http://127.0.0.1:9/ is in the clear"},
		{[]string{"--html", dir}, "--html: " + dir + " is a directory: name a file"},
		{[]string{"--samples", filepath.Join(dir, "none", "x")}, "--samples: "},
		{[]string{"--nonsense"}, "unknown flag: --nonsense; see tare load --help"},
		{[]string{"--rate"}, "flag needs an argument: --rate"},
		{[]string{"another"}, "tare load takes one URL"},
	})
}

// What a URL cannot be, and what does not go with it.
func TestLoadURLsRefuse(t *testing.T) {
	refused(t, []string{"load"}, []wrong{
		{[]string{""}, `the scheme is "", not one of connect, connect+tls, grpc`},
		{[]string{"127.0.0.1:8080"}, "read the target's URL"},
		{[]string{"localhost:8080"}, `the scheme is "localhost", not one of`},
		{[]string{"ftp://127.0.0.1/"}, `the scheme is "ftp"`},
		{[]string{"http://"}, "it names no host"},
		{[]string{"http:///path"}, "it names no host"},
		{[]string{"http://127.0.0.1:0/"}, `the port "0" is not 1 to 65535`},
		{[]string{"http://127.0.0.1:70000/"}, `the port "70000" is not 1 to 65535`},
		{[]string{"http://me:secret@127.0.0.1/"}, "a user in the URL is not sent; give an Authorization header"},
		{[]string{"http://nobody.invalid/"}, "target http://nobody.invalid/: find the address: "},
		{[]string{"tcp://127.0.0.1"}, "it names no port, and tcp has none of its own"},
		{[]string{"grpc://127.0.0.1:9/"}, `is called by gRPC, and "/" is no /package.Service/Method`},
		{[]string{"grpc://127.0.0.1:9/a.B/C", "--method", "PUT"}, "--method is of HTTP, and grpc://127.0.0.1:9/a.B/C is grpc"},
		{[]string{"tcp://127.0.0.1:9", "--header", "A: b"}, "--header is of HTTP, gRPC and WebSocket, and tcp://127.0.0.1:9 is tcp"},
		{[]string{"connect://127.0.0.1:9", "--body", "x"}, "--body is of protocols that carry something, and connect://127.0.0.1:9 is connect"},
		{[]string{"ws://127.0.0.1:9/", "--http2"}, "--http2 is of http and https"},
		{[]string{"https://127.0.0.1:9/", "--cert", "x"}, "--cert and --key belong together"},
		{[]string{"https://127.0.0.1:9/", "--cacert", "/nowhere"}, "--cacert: open /nowhere: no such file"},
		{nil, "tare load takes one URL"},
	})
}

func TestLoadCompareFlagsRefuse(t *testing.T) {
	refused(t, []string{"load", "compare", "http://127.0.0.1:9/"}, []wrong{
		{[]string{"--rate", "-5"}, "--rate -5: it takes requests per second"},
		{[]string{"--rate", "fast"}, "--rate fast: it takes requests per second"},
		{[]string{"--duration", "1500ms"}, "--duration 1.5s: it takes whole seconds from 1 on"},
		{[]string{"--duration", "3"}, "--duration 3: it takes whole seconds from 1 on, with their unit"},
		{[]string{"--connections", "0"}, "--connections 0: it takes a whole number from 1 on"},
		{[]string{"--rounds", "0"}, "--rounds 0: it takes a whole number from 1 on"},
		{[]string{"--seed", "x"}, "--seed x: it takes a whole number"},
		{[]string{"--generator", ""}, `no generator is named ""`},
		{[]string{"-o", "xml"}, "unknown output format"},
	})
	refused(t, []string{"load", "compare"}, []wrong{
		{[]string{"https://127.0.0.1:9/"}, "HTTP/1.1 in the clear only"},
		{[]string{"--planted", "soon"}, "--planted: "},
		{[]string{"nonsense"}, "the scheme is"},
	})
}

func TestWorkerRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"text": "hello", "object": "{}", "foreign": `{"format": "tare-invitation/1", "addr": "127.0.0.1:9"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, []string{"worker"}, []wrong{
		{nil, "tare worker takes the invitation's file"},
		{[]string{filepath.Join(dir, "none")}, "read the invitation: open "},
		{[]string{dir}, "read the invitation: "},
		{[]string{filepath.Join(dir, "text")}, "it is no JSON object of text fields: take the file as tare load wrote it"},
		{[]string{filepath.Join(dir, "object")}, `the format is ""`},
		{[]string{filepath.Join(dir, "foreign")}, "use the worker's certificate"},
		{[]string{filepath.Join(dir, "text"), "--allow-target", "shop.example"}, "--allow-target shop.example: it takes an address, such as 203.0.113.7"},
	})
}

// answering is a server that answers nothing but the same bytes: to each
// connection at once, or to what comes on it.
func answering(t *testing.T, greeting, answer string) (addr string, came <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan struct{})
	var once sync.Once
	var handlers sync.WaitGroup
	handlers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			handlers.Go(func() {
				defer c.Close()
				once.Do(func() { close(first) })
				_, _ = io.WriteString(c, greeting)
				for b := make([]byte, 4096); ; {
					if _, err := c.Read(b); err != nil {
						return
					}
					_, _ = io.WriteString(c, answer)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		handlers.Wait()
	})
	return l.Addr().String(), first
}

// What a target is that answers nothing good is said, with what may be done.
func TestLoadTargetsThatAreWrong(t *testing.T) {
	mail, _ := answering(t, "220 mail.test ESMTP\r\n", "500 what?\r\n")
	mute, _ := answering(t, "", "")
	missing := httptest.NewServer(http.NotFoundHandler())
	defer missing.Close()
	secured := httptest.NewUnstartedServer(http.NotFoundHandler())
	secured.Config.ErrorLog = log.New(io.Discard, "", 0)
	secured.StartTLS()
	defer secured.Close()
	secret := strings.TrimPrefix(secured.URL, "https://")
	for _, c := range []struct {
		url  string
		code int
		want string
		args []string
	}{
		{"http://" + mail, 1, "failed: errors<1% (it is 100 %); of every request: what came back is not http/1.1; does the URL's scheme say what is spoken there?", nil},
		{"h2c://" + mail, 3, "does not speak HTTP/2; http:// and https:// are HTTP/1.1", nil},
		{"https://" + mail, 3, "is the server in the clear? Then begin the URL with http://", nil},
		{"http://" + mute, 1, "of every request: no answer came in time (--timeout)", []string{"--timeout", "100ms"}},
		{missing.URL, 1, "of every request: every answer has the status 404", nil},
		{"http://" + secret, 1, "of every request: every answer has the status 400", nil},
		{secured.URL, 3, "unknown authority; give its authority's certificate with --cacert, or --insecure", nil},
	} {
		args := append([]string{"load", c.url, "--rate", "1000", "--requests", "20", "--connections", "2", "--no-floor"}, c.args...)
		if r := tare(t, t.TempDir(), args...); r.code != c.code || !strings.Contains(r.err, c.want) || (r.out == "") != (c.code == 3) {
			t.Errorf("%s: exit %d, want %d with %q: %s", c.url, r.code, c.code, c.want, r.err)
		}
	}
}

// A place that is full is said, and the exit is not that of a success.
func TestLoadFullDisk(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	for _, flag := range []string{"--html", "--csv", "--hgrm", "--samples"} {
		r := tare(t, t.TempDir(), "load", server.URL, "--rate", "1000", "--requests", "20", "--no-floor", flag, "/dev/full")
		if r.code != 3 || !strings.Contains(r.err, "tare: "+flag+": ") || !strings.Contains(r.err, "no space left on device") {
			t.Errorf("%s: exit %d, %s", flag, r.code, r.err)
		}
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, format := range []string{"table", "json"} {
		c := command(t, t.TempDir(), "", "load", server.URL, "--rate", "1000", "--requests", "20", "--no-floor", "-o", format)
		var said bytes.Buffer
		c.Stdout, c.Stderr = full, &said
		if _ = c.Run(); c.ProcessState.ExitCode() != 3 || !strings.Contains(said.String(), "no space left on device") {
			t.Errorf("-o %s: exit %d, %s", format, c.ProcessState.ExitCode(), said.String())
		}
	}
}

// A load that is interrupted before it began has nothing to report.
func TestLoadInterruptedBefore(t *testing.T) {
	mute, came := answering(t, "", "")
	dir := t.TempDir()
	page := filepath.Join(dir, "page.html")
	c := command(t, dir, "", "load", "https://"+mute, "--insecure", "--html", page)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-came:
	case <-time.After(time.Minute):
		t.Error("it does not connect")
	}
	if err := c.Process.Signal(unix.SIGINT); err != nil {
		t.Error(err)
	}
	_ = c.Wait()
	if _, err := os.Stat(page); c.ProcessState.ExitCode() != 130 || err == nil || out.Len() > 0 || said.String() != "tare: interrupted before anything was sent\n" {
		t.Errorf("exit %d, %q on standard output, %q, page %v", c.ProcessState.ExitCode(), out.String(), said.String(), err)
	}
}

// When the generator's process is killed the load has failed, and says so.
func TestLoadGeneratorKilled(t *testing.T) {
	began := make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { once.Do(func() { close(began) }) }))
	defer server.Close()
	const mark = "generator-killed"
	c := command(t, t.TempDir(), mark, "load", server.URL, "--rate", "100", "--duration", "10m")
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-began
	killed := 0
	for _, p := range marked(t, mark) {
		pid, name, _ := strings.Cut(p, " ")
		if n, err := strconv.Atoi(pid); err == nil && strings.HasSuffix(strings.TrimSpace(name), " generate") {
			killed++
			if err := unix.Kill(n, unix.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	if killed != 1 {
		_ = c.Process.Kill()
		t.Errorf("%d generators were killed", killed)
	}
	if _ = c.Wait(); c.ProcessState.ExitCode() != 3 || out.Len() > 0 || !strings.Contains(said.String(), "generator ended: signal: killed") || !strings.Contains(said.String(), "; something else ended it: a lack of memory, or kill -9; what it had measured is gone") {
		t.Errorf("exit %d, %q: %s", c.ProcessState.ExitCode(), out.String(), said.String())
	}
	eventually(t, 10*time.Second, gone(t, mark))
}

// Coordinator and worker, each alone, wait for the other, say so, and can be
// interrupted.
func TestWorkersInterruptedBefore(t *testing.T) {
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	invitation := filepath.Join(dir, "workers.json")
	for _, wait := range []struct {
		says, end string
		args      []string
	}{
		{"waiting for 1 workers: copy " + invitation, "interrupted before anything was sent", []string{"load", "http://127.0.0.1:9/", "--workers", "1", "--listen", addr, "--invitation", invitation}},
		{"joining the coordinator at " + addr, "interrupted: this worker has left the coordinator at " + addr, []string{"worker", invitation}},
	} {
		c := command(t, dir, "", wait.args...)
		said, err := c.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(said)
		first, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(first, wait.says) {
			t.Errorf("%v: %v, %s", wait.args, err, first)
		}
		if err := c.Process.Signal(unix.SIGINT); err != nil {
			t.Error(err)
		}
		rest, _ := io.ReadAll(lines)
		if _ = c.Wait(); c.ProcessState.ExitCode() != 130 || string(rest) != "tare: "+wait.end+"\n" {
			t.Errorf("%v: exit %d, %q", wait.args, c.ProcessState.ExitCode(), rest)
		}
	}
}

// When one of coordinator and worker is killed in mid-load the other says so.
func TestWorkersKilled(t *testing.T) {
	for _, c := range []struct {
		name string
		kill int
		says string
	}{
		{"coordinator", 0, "; the coordinator's process has ended or its network is gone\n"},
		{"worker", 1, "; its process has ended or its network is gone; with --lost go-on the others carry on\n"},
	} {
		began := make(chan struct{})
		var once sync.Once
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { once.Do(func() { close(began) }) }))
		addr, err := process.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		invitation := filepath.Join(dir, "workers.json")
		both := []*exec.Cmd{
			command(t, dir, "", "load", server.URL, "--rate", "100", "--duration", "10m", "--workers", "1", "--listen", addr, "--invitation", invitation),
			command(t, dir, "", "worker", invitation),
		}
		var said [2]bytes.Buffer
		for i, p := range both {
			p.Stderr = &said[i]
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, time.Minute, func() string {
				if text, _ := os.ReadFile(invitation); !bytes.HasSuffix(text, []byte("}\n")) {
					return "there is no invitation"
				}
				return ""
			})
		}
		<-began
		if err := both[c.kill].Process.Kill(); err != nil {
			t.Error(err)
		}
		for _, p := range both {
			_ = p.Wait()
		}
		if left := both[1-c.kill]; left.ProcessState.ExitCode() != 3 || !strings.HasSuffix(said[1-c.kill].String(), c.says) {
			t.Errorf("the %s is killed: the other ends with %d and %q", c.name, left.ProcessState.ExitCode(), said[1-c.kill].String())
		}
		server.Close()
	}
}

// An address that cannot be listened at is named by its flag.
func TestLoadListenRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := tare(t, t.TempDir(), "load", "http://127.0.0.1:9/", "--workers", "1", "--listen", l.Addr().String(), "--invitation", filepath.Join(t.TempDir(), "x"))
	if want := "gather workers at --listen " + l.Addr().String(); r.code != 3 || !strings.Contains(r.err, want) || !strings.Contains(r.err, "address already in use") {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
}

// What no generator can measure is no comparison.
func TestLoadCompareMeasuresNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String() + "/"
	_ = l.Close()
	r := tare(t, t.TempDir(), "load", "compare", gone)
	if r.code != 3 || r.out != "" || !strings.Contains(r.err, "tare: reach the target "+gone+": ") || !strings.HasSuffix(r.err, "connection refused; is a server listening there?\n") {
		t.Errorf("nobody listens: exit %d, %s%s", r.code, r.out, r.err)
	}
	missing := httptest.NewServer(http.NotFoundHandler())
	defer missing.Close()
	r = tare(t, t.TempDir(), "load", "compare", missing.URL, "--generator", "tare", "--rate", "100", "--connections", "2", "--duration", "1s", "--rounds", "1", "--no-floor")
	if want := "Not measured, since more than 1 % of its requests were errors or it failed: tare open, tare closed.\n"; r.code != 3 || !strings.Contains(r.out, want) || strings.Contains(r.out, "the medians go") || !strings.Contains(r.err, "no generator got good answers") {
		t.Errorf("every answer is 404: exit %d, %s%s", r.code, r.out, r.err)
	}
}

// A comparison that is interrupted shows what it has.
func TestLoadCompareInterrupted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	c := command(t, t.TempDir(), "", "load", "compare", server.URL, "--generator", "tare/open", "--rate", "300", "--duration", "1s", "--rounds", "1000", "--no-floor")
	var out bytes.Buffer
	c.Stdout = &out
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	second, last := make(chan struct{}), ""
	go func() {
		defer close(second)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "run 2 of 1000") {
				second <- struct{}{}
			}
			last = lines.Text()
		}
	}()
	select {
	case <-second:
	case <-time.After(time.Minute):
		t.Error("there is no second run")
	}
	if err := c.Process.Signal(unix.SIGINT); err != nil {
		t.Error(err)
	}
	for range second { // it closes with the program's words
	}
	if _ = c.Wait(); c.ProcessState.ExitCode() != 130 || last != "tare: interrupted after 1 of 1000 runs" || !strings.Contains(out.String(), "interrupted after 1 of 1000 runs.") || !strings.Contains(out.String(), "the medians go from") {
		t.Errorf("exit %d, %q\n%s", c.ProcessState.ExitCode(), last, out.String())
	}
}
