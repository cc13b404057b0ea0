package meter_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
	"github.com/taremesh/tare/dataplane/proxywasm/meter"
)

var options = meter.Options{Module: "host", Name: "ask", Count: 1000, TableElements: 1000}

var errEnough = errors.New("asked often enough")

// engine runs metered modules; the import allows some questions and then
// unwinds the guest.
type engine struct {
	asked, allowed int
	runtime        wazero.Runtime
}

func newEngine(t testing.TB, allowed int) *engine {
	ctx := context.Background()
	e := &engine{allowed: allowed, runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(256))}
	t.Cleanup(func() { _ = e.runtime.Close(ctx) })
	_, err := e.runtime.NewHostModuleBuilder("host").NewFunctionBuilder().WithFunc(func() int32 {
		if e.asked++; e.asked > e.allowed {
			panic(errEnough)
		}
		return options.Count
	}).Export("ask").Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *engine) load(module []byte) (api.Module, error) {
	return e.runtime.InstantiateWithConfig(context.Background(), module, wazero.NewModuleConfig().WithName(""))
}

func rewritten(t testing.TB, module []byte) []byte {
	t.Helper()
	b, err := meter.Rewrite(module, options)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestInterrupts runs what would not end, or not for long, and sees that each
// of them asks, and can be unwound.
func TestInterrupts(t *testing.T) {
	for name, build := range map[string]func(*Module){
		"loop": func(m *Module) { m.Func("run", "", "", 0, Loop(Br(0))) },
		"loop that is taken on a condition": func(m *Module) {
			m.Func("run", "", "", 0, Loop(I32(1), BrIf(0)))
		},
		"loop in a block in a loop": func(m *Module) {
			m.Func("run", "", "", 1, Loop(I32(3), Set(0), Block(Loop(Get(0), I32(1), Sub, Tee(0), BrIf(0))), Br(0)))
		},
		"loop that leaves through an inner one": func(m *Module) {
			m.Func("run", "", "", 0, Loop(Loop(Br(1))))
		},
		"calls that double": func(m *Module) { // 2^40 calls without a loop
			f := m.Func("", "", "", 1, Get(0), Drop)
			for range 40 {
				f = m.Func("", "", "", 0, Call(f), Call(f))
			}
			m.Export("run", f)
		},
		"memory filled again and again": func(m *Module) {
			m.Memory(256, 256)
			m.Func("run", "", "", 0, Loop(I32(0), I32(7), I32(256<<16), MemoryFill, Br(0)))
		},
		"memory copied again and again": func(m *Module) {
			m.Memory(256, 256)
			m.Func("run", "", "", 0, Loop(I32(0), I32(1<<20), I32(128<<16), MemoryCopy, Br(0)))
		},
		"table grown again and again": func(m *Module) {
			m.Table(1, 10)
			m.Func("run", "", "", 0, Loop(RefNullFunc, I32(1), TableGrow, Drop, Br(0)))
		},
		"call through the table": func(m *Module) {
			typ := m.Type("", "")
			f := m.Func("run", "", "", 0, Loop(CallIndirect(typ, I32(1)), Br(0)))
			m.Table(2, 2, f, m.Func("", "", "", 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var m Module
			build(&m)
			e := newEngine(t, 50)
			mod, err := e.load(rewritten(t, m.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := mod.ExportedFunction("run").Call(context.Background()); !errors.Is(err, errEnough) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// TestRecursion asks at the beginning of functions; without an end, the stack
// is what ends it.
func TestRecursion(t *testing.T) {
	var m Module
	f := m.Func("run", "", "", 0, Call(0))
	m.Table(1, 1, f)
	e := newEngine(t, 3)
	mod, err := e.load(rewritten(t, m.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mod.ExportedFunction("run").Call(context.Background()); !errors.Is(err, errEnough) {
		t.Errorf("ended with %v", err)
	}
}

// TestBulkCountsBySize holds what a fill is counted against its size.
func TestBulkCountsBySize(t *testing.T) {
	for size, want := range map[int32]int{0: 0, 1000: 0, 64 << 10: 1} {
		var m Module
		m.Memory(2, 2)
		m.Func("run", "", "i", 0, I32(16), I32(7), I32(size), MemoryFill, I32(15+max(size, 1)), Op(0x2d, 0, 0))
		e := newEngine(t, 100)
		mod, err := e.load(rewritten(t, m.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := mod.ExportedFunction("run").Call(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if size > 0 && got[0] != 7 {
			t.Errorf("%d bytes: the last is %d", size, got[0])
		}
		if e.asked != want {
			t.Errorf("%d bytes: asked %d times, not %d", size, e.asked, want)
		}
	}
}

// TestGrowingCounts holds that growing memory counts for itself.
func TestGrowingCounts(t *testing.T) {
	var m Module
	m.Memory(1, 3)
	m.Func("run", "", "i", 0, I32(1), MemoryGrow, I32(10), Mul, I32(1), MemoryGrow, Add)
	e := newEngine(t, 100)
	mod, err := e.load(rewritten(t, m.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := mod.ExportedFunction("run").Call(context.Background())
	if err != nil || got[0] != 12 || e.asked != 2 {
		t.Errorf("%v, %v, asked %d times", got, err, e.asked)
	}
}

// everything is a module that uses what a rewriting has to move: imports,
// calls, exports, elements of several forms, a global of a function, a start,
// blocks with parameters, SIMD.
func everything() []byte {
	vec := func(items ...[]byte) []byte { return append(Unsigned(nil, uint32(len(items))), Join(items...)...) }
	body := func(code ...[]byte) []byte {
		b := append(Join(code...), 0x0b)
		return append(Unsigned(nil, uint32(len(b))), b...)
	}
	b := []byte("\x00asm\x01\x00\x00\x00")
	b = Section(b, 0, []byte("\x04testignored"))
	b = Section(b, 1, vec(
		[]byte{0x60, 0, 0},                         // 0: () → ()
		[]byte{0x60, 1, 0x7f, 1, 0x7f},             // 1: i32 → i32
		[]byte{0x60, 2, 0x7f, 0x7f, 2, 0x7f, 0x7f}, // 2: (i32, i32) → (i32, i32)
		[]byte{0x60, 0, 1, 0x7f},                   // 3: () → i32
	))
	b = Section(b, 2, vec([]byte("\x04more\x03inc\x00\x01"))) // function 0: i32 → i32
	b = Section(b, 3, vec([]byte{1}, []byte{3}, []byte{0}, []byte{1}, []byte{3}))
	b = Section(b, 4, vec([]byte{0x70, 0, 8}, []byte{0x70, 1, 2, 4}))
	b = Section(b, 5, vec([]byte{1, 1, 2}))
	b = Section(b, 6, vec(
		[]byte{0x70, 0, 0xd2, 4, 0x0b}, // ref.func 4
		Join([]byte{0x7f, 1}, I32(5), []byte{0x0b}),
		[]byte{0x7d, 0, 0x43, 0, 0, 0x80, 0x3f, 0x0b},
	))
	b = Section(b, 7, vec([]byte("\x04twin\x00\x01"), []byte("\x03run\x00\x05"), []byte("\x03mem\x02\x00")))
	b = Section(b, 8, []byte{3})
	b = Section(b, 9, vec(
		[]byte{0, 0x41, 0, 0x0b, 1, 1},                      // table 0 [0] = function 1
		[]byte{1, 0, 1, 4},                                  // passive: function 4
		[]byte{2, 1, 0x41, 0, 0x0b, 0, 1, 1},                // table 1 [0] = function 1
		[]byte{3, 0, 2, 1, 4},                               // declared
		[]byte{4, 0x41, 2, 0x0b, 1, 0xd2, 4, 0x0b},          // table 0 [2] = function 4
		[]byte{5, 0x70, 2, 0xd2, 4, 0x0b, 0xd0, 0x70, 0x0b}, // passive, expressions
		[]byte{6, 1, 0x41, 1, 0x0b, 0x70, 1, 0xd2, 4, 0x0b}, // table 1 [1] = function 4
		[]byte{7, 0x70, 1, 0xd2, 4, 0x0b},
	))
	b = Section(b, 12, []byte{1})
	b = Section(b, 10, vec(
		body([]byte{0}, Get(0), I32(2), Mul), // 1: twice
		body([]byte{0}, I32(1)),              // 2
		body([]byte{0}, I32(7), SetGlobal(1), I32(0), I32(0), I32(3), Op(0xfc, 8, 0, 0)), // 3: start: global 7, data to memory
		body([]byte{0}, Call(0, Get(0))),                                                 // 4: plus one, by the import
		body( // 5: run
			[]byte{2, 1, 0x7f, 1, 0x7b},
			I32(1), I32(4), // a loop with two parameters: (sum, n) → sum+n…1
			[]byte{0x03, 2}, Set(0), Get(0), Add, Get(0), I32(1), Sub, Get(0), I32(1), GtU, BrIf(0), []byte{0x0b}, Drop, // 1+4+3+2+1 = 11
			CallIndirect(1, I32(2)), // plus one: 12
			CallIndirect(1, I32(0)), // twice: 24
			GetGlobal(1), Add,       // 31
			I32(1), Op(0x2d, 0, 0), Add, // the second byte of the data, 'b': 129
			[]byte{0xfd, 12, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0xfd, 27, 3}, Add, // lane 3: 133
			Op(0xd2, 4, 0xd1), Add, // ref.func is not null
			Block(Block(I32(1), Op(0x0e, 2, 0, 1, 0))), // br_table
			Op(0x02, 0x7f), I32(3), I32(4), I32(0), Op(0x1c, 1, 0x7f), Op(0x0b), Add, // select with a type: 4
		),
	))
	return Section(b, 11, vec(Join([]byte{1, 3}, []byte("abc"))))
}

// TestSame runs a module with and without the meter.
func TestSame(t *testing.T) {
	run := func(module []byte, allowed int) (result, twin uint64, asked int) {
		e := newEngine(t, allowed)
		ctx := context.Background()
		if _, err := e.runtime.NewHostModuleBuilder("more").NewFunctionBuilder().WithFunc(func(v int32) int32 { return v + 1 }).Export("inc").Instantiate(ctx); err != nil {
			t.Fatal(err)
		}
		mod, err := e.load(module)
		if err != nil {
			t.Fatal(err)
		}
		r, err := mod.ExportedFunction("run").Call(ctx)
		if err != nil {
			t.Fatal(err)
		}
		w, err := mod.ExportedFunction("twin").Call(ctx, 21)
		if err != nil {
			t.Fatal(err)
		}
		return r[0], w[0], e.asked
	}
	plain, twin, _ := run(everything(), 0)
	metered, twin2, asked := run(rewritten(t, everything()), 1000)
	if plain != 137 || metered != plain || twin != 42 || twin2 != 42 {
		t.Errorf("plain %d %d, metered %d %d", plain, twin, metered, twin2)
	}
	if asked > 3 { // filling memory from the module counts as much as a whole count
		t.Errorf("asked %d times", asked)
	}
}

// TestTables holds tables to the limit.
func TestTables(t *testing.T) {
	var m Module
	m.Table(1, 1<<20)
	m.Func("run", "", "i", 0, RefNullFunc, I32(1000), TableGrow)
	e := newEngine(t, 10)
	mod, err := e.load(rewritten(t, m.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := mod.ExportedFunction("run").Call(context.Background())
	if err != nil || int32(got[0]) != -1 {
		t.Errorf("grown beyond the limit: %v, %v", got, err)
	}
}

func TestRefuses(t *testing.T) {
	code := func(code ...byte) []byte {
		var m Module
		m.Func("run", "", "", 0, code)
		return m.Bytes()
	}
	var whole Module
	whole.Memory(1, 1)
	whole.Func("run", "", "i", 0, I32(1))
	full := whole.Bytes()
	var table Module
	table.Table(2000, 3000)
	head := []byte("\x00asm\x01\x00\x00\x00")
	for _, c := range []struct {
		name   string
		module []byte
		want   string
	}{
		{"empty", nil, "no WebAssembly module"},
		{"foreign", []byte("\x7fELF\x02\x01\x01\x00"), "no WebAssembly module: it begins with \"\\x7fELF"},
		{"only magic", []byte("\x00asm\x01"), "cut off"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), "component"},
		{"truncated", full[:len(full)-1], "cut off"},
		{"truncated in a section's head", full[:9], "cut off"},
		{"unknown section", Section(head, 13, nil), "unknown section 13"},
		{"section twice", Section(Section(head, 1, []byte{0}), 1, []byte{0}), "section type stands at a wrong place or twice"},
		{"too long a section", Section(head, 1, []byte{0, 0}), "behind its end"},
		{"garbage collection's types", Section(head, 1, []byte{1, 0x5f, 0}), "0x5f"},
		{"exceptions", code(0x06, 0x40, 0x0b), "try (exceptions)"},
		{"threads", code(0xfe, 0x00, 2, 0), "threads"},
		{"tail call", code(0x12, 0x00), "return_call"},
		{"relaxed SIMD", code(0xfd, 0x80, 0x02), "0xfd 256"},
		{"unknown", code(0xff), "0xff"},
		{"code behind the end", code(0x0b), "behind its end"},
		{"no end", Section(Section(Section(head, 1, []byte{1, 0x60, 0, 0}), 3, []byte{1, 0}), 10, []byte{1, 2, 0, 0x01}), "cut off"},
		{"too many locals", Section(Section(Section(head, 1, []byte{1, 0x60, 0, 0}), 3, []byte{1, 0}), 10, []byte{1, 7, 1, 0xff, 0xff, 0xff, 0x7f, 0x7f, 0x0b}), "locals"},
		{"more bodies than functions", Section(head, 10, []byte{1, 2, 0, 0x0b}), "more bodies"},
		{"a number too long", Section(head, 1, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}), "too long"},
		{"large table", table.Bytes(), "2000 elements, more than 1000"},
		{"no type", Section(head, 3, []byte{1, 0}), "type 0"},
		{"shared memory imported", Section(head, 2, []byte{1, 1, 'm', 1, 'm', 2, 3, 1, 1}), "threads"},
		{"tag imported", Section(head, 2, []byte{1, 1, 'm', 1, 'm', 4, 0, 0}), "kind 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := meter.Rewrite(c.module, options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, not %q", err, c.want)
			}
		})
	}
}

// TestCutOff cuts modules everywhere: none is taken, as the last section is
// never whole, but where a section ends.
func TestCutOff(t *testing.T) {
	module := everything()
	taken := 0
	for n := range module {
		if _, err := meter.Rewrite(module[:n], options); err == nil {
			taken++
		}
	}
	if taken > 13 {
		t.Errorf("%d beginnings of a module of 12 sections were taken", taken)
	}
}

// FuzzRewrite holds: any bytes are refused or rewritten, and what the engine
// takes it takes rewritten, too.
func FuzzRewrite(f *testing.F) {
	f.Add(everything())
	for _, name := range []string{"noop", "ratelimit"} {
		module, err := os.ReadFile("../../../function/" + name + "/filter/" + name + ".wasm")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(module)
	}
	var m Module
	m.Memory(1, 2)
	m.Func("run", "", "", 1, Loop(Get(0), BrIf(0)), I32(0), I32(0), I32(0), MemoryCopy)
	f.Add(m.Bytes())
	ctx := context.Background()
	config := wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(16)
	f.Fuzz(func(t *testing.T, module []byte) {
		made, err := meter.Rewrite(module, options)
		if err != nil {
			return
		}
		r := wazero.NewRuntimeWithConfig(ctx, config)
		defer r.Close(ctx)
		if _, err := r.CompileModule(ctx, module); err != nil {
			return
		}
		if _, err := r.CompileModule(ctx, made); err != nil {
			t.Errorf("the engine takes the module, and not what became of it: %v", err)
		}
	})
}

func Example() {
	var m Module
	m.Func("run", "", "", 0, Loop(Br(0)))
	b, err := meter.Rewrite(m.Bytes(), meter.Options{Module: "host", Name: "ask", Count: 1000, TableElements: 1000})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	_, err = r.NewHostModuleBuilder("host").NewFunctionBuilder().WithFunc(func() int32 { panic("enough") }).Export("ask").Instantiate(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	guest, err := r.Instantiate(ctx, b)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = guest.ExportedFunction("run").Call(ctx)
	first, _, _ := strings.Cut(err.Error(), "\n")
	fmt.Println(first)
	// Output: enough (recovered by wazero)
}
