package cli_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taremesh/tare/cli"
)

// The test binary is tare itself when this is set, which children inherit.
const asTare = "TARE_TEST_AS_TARE"

func TestMain(m *testing.M) {
	if os.Getenv(asTare) != "" {
		os.Exit(cli.Main(cli.State{Args: os.Args[1:], Getenv: os.Getenv, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	if err := os.Setenv(asTare, "1"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// tare runs the command in this process, with results in dir.
func tare(t *testing.T, dir string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	env := func(name string) string {
		if name == "TARE_DATA" {
			return dir
		}
		return ""
	}
	code := cli.Main(cli.State{Args: args, Getenv: env, In: strings.NewReader(""), Out: &out, Err: &errOut})
	return result{code, out.String(), errOut.String()}
}

// command is tare as a process of its own, with a mark that its children inherit.
func command(t *testing.T, dir, mark string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, args...)
	c.Env = append(os.Environ(), "TARE_DATA="+dir, markName+"="+mark)
	return c
}

const markName = "TARE_TEST_MARK"

// marked lists the living processes that carry the mark.
func marked(t *testing.T, mark string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(env, []byte(markName+"="+mark+"\x00")) {
			continue // gone, or not ours
		}
		cmd, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
		found = append(found, filepath.Base(filepath.Dir(f))+" "+string(bytes.ReplaceAll(cmd, []byte{0}, []byte{' '})))
	}
	return found
}

// write puts a study file into a directory of its own.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "study.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tiny is a study whose blocks take less than a second.
const tiny = `tare: study/1
name: tiny
workload: {name: echo}
load: {rate: 300/s, connections: 2}
treatments:
  - {name: plain, control: direct}
  - {name: plain-aa, control: aa, baseline: plain}
  - {name: more, baseline: plain, workload: {work: 1ms}}
design: {blocks: 3, warmup: 20, idle: 50ms, latency: 1s, stop: fixed, control_every: 2, solo: 100ms}
`
