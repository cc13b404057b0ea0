// Package crate rebuilds the filters for WebAssembly, and holds the
// committed modules against what their sources make.
//
// Check builds the crate in a folder, in a copy of it elsewhere, with Debian
// 12's toolchain and nothing of the user's settings; the result must be the
// committed NAME.wasm byte for byte, and NAME.wasm.sha256 its digest. With the
// flag -update both are written instead ("make wasm" does so). What the crate
// depends on is fetched once into the ignored folder .cache, as its Cargo.lock
// says, by whichever cargo can; the build itself is offline.
//
// CheckGo does so for a module that is written in Go.
//
// It does not install the toolchain (Packages says what to install) and takes
// no other: another rustc makes another file. Tests only.
package crate

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the modules that are rebuilt, and their digests")

// The toolchain. Paths are absolute where a PATH may have others of the name.
const (
	cargo   = "/usr/bin/cargo"
	rustc   = "/usr/bin/rustc"
	rustdoc = "/usr/bin/rustdoc"
	target  = "wasm32-unknown-unknown"

	// Of binaryen.
	wasmOpt     = "wasm-opt"
	wasmMetadce = "wasm-metadce"

	// Packages are Debian 12's that hold it.
	Packages = "rustc cargo libstd-rust-dev-wasm32 lld binaryen"
)

// versions are what the committed modules were built with.
var versions = []struct{ program, says string }{{rustc, "rustc 1.63.0"}, {cargo, "cargo 1.65.0"}, {wasmOpt, "wasm-opt version 108"}, {wasmMetadce, "wasm-metadce version 108"}}

// Crate is a copy of a crate's source, ready to be built.
type Crate struct {
	name   string // of the crate and of its module
	source string // where it was copied from
	work   string // a folder of its own: the copy, what cargo keeps, the results
	vendor string // the crates that it depends on
}

// Open copies the crate of a folder to where it can be built.
func Open(t testing.TB, folder, name string) *Crate {
	t.Helper()
	c := &Crate{name: name, source: folder, work: t.TempDir()}
	if err := c.open(); err != nil {
		t.Fatalf("open crate %s: %v", folder, err)
	}
	return c
}

func (c *Crate) open() (err error) {
	for _, v := range versions {
		out, err := exec.Command(v.program, "--version").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w (Debian 12: apt-get install %s)", err, Packages)
		}
		if !strings.HasPrefix(string(out), v.says) {
			return fmt.Errorf("%s is %s; the committed modules are made by %s", v.program, strings.TrimSpace(string(out)), v.says)
		}
	}
	for _, part := range []string{"Cargo.toml", "Cargo.lock"} {
		if err := copyFile(filepath.Join(c.source, part), filepath.Join(c.work, "crate", part)); err != nil {
			return err
		}
	}
	if err := os.CopyFS(filepath.Join(c.work, "crate", "src"), os.DirFS(filepath.Join(c.source, "src"))); err != nil {
		return err
	}
	c.vendor, err = c.fetched()
	return err
}

// Check holds the module beside the source against what the source makes, and
// runs the crate's own tests.
func (c *Crate) Check(t testing.TB) {
	t.Helper()
	hold(t, filepath.Join(c.source, c.name+".wasm"), c.Build(t))
	if err := c.cargo("test"); err != nil {
		t.Errorf("the crate's own tests: %v", err)
	}
}

// hold compares what was built with what is committed, and with its digest; or
// writes both.
func hold(t testing.TB, path string, built []byte) {
	t.Helper()
	digest := fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(built), filepath.Base(path))
	for _, f := range []struct {
		path    string
		content []byte
	}{{path, built}, {path + ".sha256", digest}} {
		if *update {
			if err := os.WriteFile(f.path, f.content, 0o644); err != nil {
				t.Fatalf("write module: %v", err)
			}
			continue
		}
		committed, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatalf("read module: %v (make wasm)", err)
		}
		if !bytes.Equal(committed, f.content) {
			t.Errorf("%s is not what its source makes (make wasm): %d bytes, and the source makes %d", f.path, len(committed), len(f.content))
		}
	}
}

// Build builds the module with some of the crate's features.
func (c *Crate) Build(t testing.TB, features ...string) []byte {
	t.Helper()
	if err := c.cargo("build", "--release", "--target", target, "--features", strings.Join(features, ",")); err != nil {
		t.Fatalf("build %s: %v", c.source, err)
	}
	built, err := c.reduced(filepath.Join(c.work, "crate", "target", target, "release", c.name+".wasm"))
	if err != nil {
		t.Fatalf("build %s: %v", c.source, err)
	}
	return built
}

// exports are what the filters use of what a host may call. The SDK exports
// everything there is, and a host then calls all of it, for each request.
var exports = []string{
	"memory", "malloc", "tare_lend", "tare_wants", "tare_on_request", "_initialize", "proxy_abi_version_0_2_1",
	"proxy_on_vm_start", "proxy_on_configure", "proxy_on_context_create", "proxy_on_delete",
	"proxy_on_request_headers", "proxy_on_response_headers",
}

// reduced returns the module without the other exports and what only they
// need, optimised.
func (c *Crate) reduced(module string) ([]byte, error) {
	type node struct {
		Name    string   `json:"name"`
		Export  string   `json:"export,omitempty"`
		Reaches []string `json:"reaches,omitempty"`
		Root    bool     `json:"root,omitempty"`
	}
	graph := []node{{Name: "host", Reaches: exports, Root: true}}
	for _, e := range exports {
		graph = append(graph, node{Name: e, Export: e})
	}
	text, err := json.Marshal(graph)
	if err != nil {
		return nil, err
	}
	file, less, least := filepath.Join(c.work, "exports.json"), filepath.Join(c.work, "less.wasm"), filepath.Join(c.work, "least.wasm")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return nil, err
	}
	if err := run(exec.Command(wasmMetadce, "--graph-file="+file, module, "-o", less)); err != nil {
		return nil, err
	}
	if err := run(exec.Command(wasmOpt, "-O3", less, "-o", least)); err != nil {
		return nil, err
	}
	return os.ReadFile(least)
}

// cargo runs Debian's cargo on the copy, offline and without any setting from
// outside. The names of folders must not get into the module.
func (c *Crate) cargo(verb string, args ...string) error {
	// hashbrown 0.14.0 asks for rustc 1.64, and is content with 1.63.
	args = append([]string{verb, "--quiet", "--offline", "--locked", "--ignore-rust-version",
		"--config", `source.crates-io.replace-with="fetched"`,
		"--config", fmt.Sprintf("source.fetched.directory=%q", c.vendor)}, args...)
	cmd := exec.Command(cargo, args...)
	cmd.Dir = filepath.Join(c.work, "crate")
	cmd.Env = []string{
		"PATH=/usr/bin:/bin", "HOME=" + c.work, "CARGO_HOME=" + filepath.Join(c.work, "home"), "CARGO_INCREMENTAL=0",
		"RUSTC=" + rustc, "RUSTDOC=" + rustdoc,
		fmt.Sprintf("RUSTFLAGS=--remap-path-prefix=%s=crates --remap-path-prefix=%s=crate", c.vendor, cmd.Dir),
	}
	return run(cmd)
}

// fetched returns the folder with what the crate depends on. It is made once
// for each Cargo.lock.
func (c *Crate) fetched() (string, error) {
	lock, err := os.ReadFile(filepath.Join(c.source, "Cargo.lock"))
	if err != nil {
		return "", err
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cache := filepath.Join(root, ".cache", "crates")
	dir := filepath.Join(cache, fmt.Sprintf("%.6x", sha256.Sum256(lock)))
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	if err := c.fetch(filepath.Join(fresh, "crates")); err != nil {
		return "", err
	}
	err = os.Rename(filepath.Join(fresh, "crates"), dir)
	if errors.Is(err, fs.ErrExist) { // another process was quicker
		err = nil
	}
	return dir, err
}

// fetch asks the cargo on PATH first: Debian's is old, and knows registries
// only by their whole index.
func (c *Crate) fetch(into string) error {
	var all error
	for _, program := range []string{"cargo", cargo} {
		cmd := exec.Command(program, "vendor", "--quiet", "--locked", "--versioned-dirs", into)
		cmd.Dir = filepath.Join(c.work, "crate")
		err := run(cmd)
		if err == nil {
			return nil
		}
		all = errors.Join(all, err)
	}
	return fmt.Errorf("fetch the crates that %s/Cargo.lock lists (Debian's cargo needs the whole index; one of Rust's own on PATH, 1.70 or later, does not): %w", c.source, all)
}

// moduleRoot is the folder of go.mod, at or above this one.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.Join(errors.New("no go.mod here or above"), err)
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}

// run runs a program; what it said is in the error.
func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out)
	}
	return nil
}
