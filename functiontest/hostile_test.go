package functiontest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/dataplane"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/extproc"
	"github.com/taremesh/tare/internal/process"
)

// hostileScript does its worst when a request asks for it.
func hostileScript(what string) string {
	worst := map[string]string{
		"crash":  `error("crash")`,
		"loop":   `while true do end`,
		"memory": `local all = {} while true do all[#all + 1] = string.rep("x", 1000000) .. #all end`,
	}[what]
	return `function envoy_on_request(handle) if handle:headers():get("x-bad") then ` + worst + ` end end`
}

// hostileWasm is a module that does so.
func hostileWasm(what string) []byte {
	const result, size, nameAt, name = 512, 516, 1024, "x-bad"
	var m Module
	get := m.Import("env", "proxy_get_header_map_value", "iiiii", "i")
	m.Memory(2, 65536)
	m.Data(nameAt, name)
	heap := m.Global(8192)
	m.Func("proxy_abi_version_0_2_1", "", "", 0)
	m.Func("proxy_on_memory_allocate", "i", "i", 0, GetGlobal(heap))
	worst := map[string][]byte{
		"crash": Unreachable,
		"loop":  Loop(Br(0)),
		// A page more each time, and a byte of it is touched; then a trap.
		"memory": Loop(I32(1), MemoryGrow, Tee(3), I32(-1), Eq, If(Unreachable), Get(3), I32(65536), Mul, I32(1), Store(0), Br(0)),
	}[what]
	m.Func("proxy_on_request_headers", "iii", "i", 1,
		Call(get, I32(0), I32(nameAt), I32(int32(len(name))), I32(result), I32(size)), Eqz, If(worst), I32(0))
	return m.Bytes()
}

// hostileService hangs, or is gone, or takes all memory, when a request asks for
// it. That which takes memory does so in a process of its own, as services do, and
// proxies wait for it as long as that takes.
func hostileService(t *testing.T, what string) (*function.External, func()) {
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	gone, leave := context.WithCancel(context.Background())
	does := processOf(func() {
		if what == "loop" {
			<-forever
		}
	})
	e := &function.External{
		Serve: func(ctx context.Context, _ function.Spec, l net.Listener) error {
			both, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(gone, cancel)()
			if what == "memory" {
				return serveElsewhere(both, l)
			}
			return extproc.Serve(both, l, does)
		},
		Config: func(function.Spec) (function.FilterConfig, error) {
			c := extproc.Config(function.ExternalCluster, does)
			if what == "memory" {
				c.MessageTimeout = durationpb.New(patience)
			}
			packed, err := dataplane.Pack(c)
			return function.FilterConfig{Name: extproc.FilterName, Config: packed}, err
		},
	}
	if what != "crash" {
		t.Cleanup(leave)
		return e, nil
	}
	return e, sync.OnceFunc(leave)
}

// processOf changes nothing, and does its worst when a request asks for it.
func processOf(worst func()) extproc.Process {
	return extproc.Process{Request: func(h extproc.Head) (none extproc.Changes) {
		if len(h.Values("x-bad")) > 0 {
			worst()
		}
		return none
	}}
}

// hostileArgument makes this program the service that takes all memory, on the
// listener that it inherits.
const hostileArgument = "hostile"

func hostileMain() int {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err == nil {
		err = bounded(os.Getpid(), mostOfService)
	}
	if err == nil {
		fmt.Println("ready")
		err = extproc.Serve(context.Background(), l, processOf(takeAll))
	}
	fmt.Fprintln(os.Stderr, err)
	return 3
}

// mostOfService is what that service may have beyond what it has.
const mostOfService = 128 << 20

func takeAll() {
	type block struct {
		before *block
		data   []byte
	}
	for all := (*block)(nil); ; {
		all = &block{all, bytes.Repeat([]byte{1}, 1_000_000)}
	}
}

// serveElsewhere hands the listener to a process of its own, until the context
// ends or the process does.
func serveElsewhere(ctx context.Context, l net.Listener) error {
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	l.Close() // the other one's alone
	launcher, err := process.NewLauncher("")
	if err != nil {
		return err
	}
	defer launcher.Close()
	p, err := launcher.Start(process.Command{Name: "hostile service", Args: []string{hostileArgument}, Input: []byte{}, Files: []*os.File{file}})
	file.Close()
	if err != nil {
		return err
	}
	defer p.Stop(0)
	if _, err := p.Ready(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-p.Done():
	}
	return p.Err()
}

const hostileRust = `use crate::envoy::Host;

pub struct Filter(Vec<u8>);

#[derive(Default)]
pub struct Stream;

impl Filter {
    pub fn new(config: &[u8]) -> Result<Filter, String> {
        Ok(Filter(config.to_vec()))
    }

    pub fn request(&self, _: &mut Stream, host: &Host) -> bool {
        if host.value("x-bad").is_none() {
            return true;
        }
        match &self.0[..] {
            b"crash" => panic!("crash"),
            b"loop" => loop {
                std::hint::spin_loop();
            },
            _ => {
                let mut all = Vec::new();
                loop {
                    all.push(vec![1u8; 1_000_000]);
                }
            }
        }
    }

    pub fn response(&self, _: &mut Stream, _: &Host) {}
}
`

const hostileGo = `package inside

type hostile string

func (h hostile) Stream() Stream { return h }
func (h hostile) Response(Host)  {}
func (h hostile) Request(p Host) bool {
	if _, bad := p.Value("x-bad"); !bad {
		return true
	}
	switch h {
	case "crash":
		panic("crash")
	case "loop":
		for {
		}
	}
	var all [][]byte
	for {
		all = append(all, make([]byte, 1000000))
		for i := range all[len(all)-1] {
			all[len(all)-1][i] = 1
		}
	}
}
`

// buildRust builds the sources of noop with another filter in them.
func buildRust(t *testing.T, out string) {
	t.Helper()
	src := t.TempDir()
	if err := os.CopyFS(src, os.DirFS("../function/noop/filter/src")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(src, "dynmod.rs"), hostileRust)
	build(t, exec.Command("rustc", "--edition", "2021", "--crate-type", "cdylib", "--crate-name", "tare_hostile_rust",
		"-C", "opt-level=1", "-C", "panic=abort", "-o", out, filepath.Join(src, "lib.rs")))
}

// buildGo builds the dynamic module in Go with a function more in it, and
// buildGoWasm the module for proxy-wasm.
func buildGo(t *testing.T, out string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-tags", "dynmod", "-buildmode=c-shared", "-buildvcs=false", "-overlay", overlay(t), "-o", out, "../guest/dynmod")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=")
	build(t, cmd)
}

func buildGoWasm(t *testing.T) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "hostile.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-overlay", overlay(t), "-o", out, "../guest/wasm")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	build(t, cmd)
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// overlay is a file that puts the hostile function into the sources in Go.
func overlay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	filter, err := filepath.Abs("../guest/inside/filter.go")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filter)
	if err != nil {
		t.Fatal(err)
	}
	const known = "	switch id {\n"
	if !strings.Contains(string(source), known) {
		t.Fatalf("%s has no %q", filter, known)
	}
	changed := strings.Replace(string(source), known, known+"	case \"crash\", \"loop\", \"memory\":\n		return hostile(id), nil\n", 1)
	write(t, filepath.Join(dir, "filter.go"), changed)
	write(t, filepath.Join(dir, "hostile.go"), hostileGo)
	text, err := json.Marshal(map[string]map[string]string{"Replace": {
		filter: filepath.Join(dir, "filter.go"), filepath.Join(filepath.Dir(filter), "hostile.go"): filepath.Join(dir, "hostile.go")}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	write(t, path, string(text))
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Path, err, out)
	}
}
