package functiontest_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/taremesh/tare/dataplane"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/extproc"
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

// hostileService hangs, or is gone, when a request asks for it.
func hostileService(t *testing.T, what string) (*function.External, func()) {
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	gone, leave := context.WithCancel(context.Background())
	process := extproc.Process{Request: func(h extproc.Head) (none extproc.Changes) {
		if what == "loop" && len(h.Values("x-bad")) > 0 {
			<-forever
		}
		return none
	}}
	e := &function.External{
		Serve: func(ctx context.Context, _ function.Spec, l net.Listener) error {
			both, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(gone, cancel)()
			return extproc.Serve(both, l, process)
		},
		Config: func(function.Spec) (function.FilterConfig, error) {
			packed, err := dataplane.Pack(extproc.Config(function.ExternalCluster, process))
			return function.FilterConfig{Name: extproc.FilterName, Config: packed}, err
		},
	}
	if what != "crash" {
		t.Cleanup(leave)
		return e, nil
	}
	return e, sync.OnceFunc(leave)
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

// buildGo builds the dynamic module in Go with a function more in it.
func buildGo(t *testing.T, out string) {
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
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filter: filepath.Join(dir, "filter.go"), filepath.Join(filepath.Dir(filter), "hostile.go"): filepath.Join(dir, "hostile.go")}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), string(overlay))
	cmd := exec.Command("go", "build", "-tags", "dynmod", "-buildmode=c-shared", "-buildvcs=false", "-overlay", filepath.Join(dir, "overlay.json"), "-o", out, "../guest/dynmod")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=")
	build(t, cmd)
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
