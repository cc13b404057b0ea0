package cli_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A whole Image Hub study, every kind of treatment through real proxies: what
// is limited is limited right, and nothing else is refused.
func TestImageHubIsEnforcedInEveryForm(t *testing.T) {
	for _, plane := range []string{"embedded", "envoy"} {
		t.Run(plane, func(t *testing.T) { testEnforced(t, plane) })
	}
}

func testEnforced(t *testing.T, plane string) {
	r := tare(t, t.TempDir(), "run", write(t, hub), "-o", "json", "--dataplane", plane)
	if r.code != 0 {
		t.Fatalf("exit %d\n%s", r.code, r.err)
	}
	var rep struct {
		Treatments []struct {
			Name        string
			Form        *string
			DataPlane   *string `json:"dataplane"`
			JudgeFound  *string `json:"judge_found"`
			Buckets     int     `json:"buckets_touched"`
			Refused     int     `json:"refused_where_overhead_is_measured"`
			Enforcement []struct {
				Class string
				Count int
			}
		}
	}
	if err := json.Unmarshal([]byte(r.out), &rep); err != nil {
		t.Fatal(err)
	}
	for _, x := range rep.Treatments {
		enforced := map[string]int{}
		for _, o := range x.Enforcement {
			enforced[o.Class] = o.Count
		}
		carries := x.Name == "native" || x.Name == "library" || x.Name == "library-off-mesh"
		if carries != (len(enforced) > 0) {
			t.Errorf("%s: enforcement %v", x.Name, enforced)
		}
		if off := strings.HasSuffix(x.Name, "mesh") || x.Name == "direct"; off != (x.DataPlane == nil) || !off && *x.DataPlane != plane {
			t.Errorf("%s: on the data plane %v", x.Name, x.DataPlane)
		}
		if !carries {
			continue
		}
		// 5 users of 10 a minute sent 30 each: at least 5 × 19 are refused.
		if enforced["limited"] < 80 || enforced["ok"] < 50 || len(enforced) != 2 {
			t.Errorf("%s: enforcement %v", x.Name, enforced)
		}
		if x.JudgeFound != nil || x.Refused != 0 || x.Buckets < 50 {
			t.Errorf("%s: judge %v, %d refused before enforcement, %d buckets", x.Name, x.JudgeFound, x.Refused, x.Buckets)
		}
	}
}

// A load that would be refused is refused before anything starts.
func TestPlanNearTheLimitIsRefused(t *testing.T) {
	near := strings.Replace(hub, "weight: 10}", "weight: 1000000}", 1)
	near = strings.Replace(near, "count: 500", "count: 20", 1)
	for _, command := range []string{"plan", "run"} {
		r := tare(t, t.TempDir(), command, write(t, near))
		if r.code != 2 || !strings.Contains(r.err, "too near to the function's limits") || !strings.Contains(r.err, "use more users") {
			t.Errorf("%s: exit %d, %s", command, r.code, r.err)
		}
	}
	if r := tare(t, t.TempDir(), "plan", write(t, hub)); r.code != 0 || !strings.Contains(r.out, "0 refused") || !strings.Contains(r.out, "buckets touched") {
		t.Errorf("plan: exit %d, %s%s", r.code, r.out, r.err)
	}
}

// kill ends a running process of a mark whose command line holds a word.
func kill(t *testing.T, mark, word string) {
	t.Helper()
	eventually(t, 20*time.Second, func() string {
		for _, p := range marked(t, mark) {
			id, cmd, _ := strings.Cut(p, " ")
			pid, err := strconv.Atoi(id)
			if err == nil && strings.Contains(cmd, word) && syscall.Kill(pid, syscall.SIGKILL) == nil {
				return ""
			}
		}
		return "no process whose command holds " + word
	})
}

// A process killed in mid-block makes the block void; it is repeated and counted.
func TestKilledProcessVoidsItsBlock(t *testing.T) {
	dir, mark := t.TempDir(), fmt.Sprintf("void-%d", os.Getpid())
	text := strings.Replace(tiny, "control: direct", "control: router", 1)
	text = strings.Replace(text, "blocks: 3", "blocks: 8", 1)
	c := command(t, dir, mark, "run", write(t, text))
	var errOut strings.Builder
	c.Stderr = &errOut
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	// The generator starts when all proxies stand: from then on it is mid-block.
	eventually(t, 20*time.Second, func() string {
		if strings.Contains(strings.Join(marked(t, mark), "\n"), " generate") {
			return ""
		}
		return "no generator yet"
	})
	kill(t, mark, " proxy ")
	if err := c.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, errOut.String())
	}
	r := decode(t, tare(t, dir, "show", "last", "-o", "json").out)
	if r.Voids < 1 || r.Blocks != 8 || len(r.Journal) != 8+r.Voids {
		t.Errorf("%d voids, %d blocks, %d in the journal\n%s", r.Voids, r.Blocks, len(r.Journal), errOut.String())
	}
	if !strings.Contains(errOut.String(), "is void and is repeated: treatment ") || !strings.Contains(errOut.String(), "ended: signal: killed") {
		t.Errorf("progress does not say what happened: %s", errOut.String())
	}
}

func TestServiceThatCrashesAtStartShowsItsLastLines(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := tare(t, t.TempDir(), "imagehub", "api", "--listen", l.Addr().String())
	if r.code != 3 || !strings.Contains(r.err, "address already in use") || !strings.Contains(r.err, l.Addr().String()) {
		t.Errorf("port taken: exit %d, %s", r.code, r.err)
	}
}

func TestDataDirectoryThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := tare(t, filepath.Join(file, "sub"), "run", write(t, tiny))
	if r.code != 3 || !strings.Contains(r.err, file) || r.out != "" {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
}

func TestLoadOffersALoad(t *testing.T) {
	mark := fmt.Sprintf("load-%d", os.Getpid())
	c := command(t, t.TempDir(), mark, "imagehub", "api", "--listen", "127.0.0.1:0")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
	}()
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	_, url, ok := strings.Cut(strings.TrimSpace(string(line[:n])), "http://")
	if !ok {
		t.Fatalf("no address in %q", line[:n])
	}
	r := tare(t, t.TempDir(), "load", "http://"+url+"/subscriptions", "--rate", "500", "--duration", "1s", "-o", "json")
	var got struct {
		Scheduled, Requests, Errors int
		Latency                     struct{ P50 *float64 } `json:"latency_us"`
		CPU                         float64                `json:"cpu_us_per_request"`
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatalf("exit %d, %v: %s%s", r.code, err, r.out, r.err)
	}
	if r.code != 0 || got.Requests != got.Scheduled || got.Requests < 300 || got.Errors != 0 || got.Latency.P50 == nil || got.CPU <= 0 {
		t.Errorf("%+v", got)
	}
}

func TestVersionAndDoctor(t *testing.T) {
	if r := tare(t, t.TempDir(), "version"); r.code != 0 || !strings.HasPrefix(r.out, "tare ") {
		t.Errorf("%+v", r)
	}
	r := tare(t, t.TempDir(), "doctor", "-o", "json")
	var h struct {
		Environment struct{ Cores int }
		Tools       map[string]string
		Noise       struct {
			P50 int64 `json:"wake_p50_ns"`
		}
	}
	if err := json.Unmarshal([]byte(r.out), &h); err != nil || r.code != 0 || h.Environment.Cores < 1 || h.Noise.P50 <= 0 {
		t.Errorf("exit %d, %v, %+v", r.code, err, h)
	}
	if _, known := h.Tools["envoy"]; !known {
		t.Errorf("tools %v", h.Tools)
	}
}

func TestHelpHasExamples(t *testing.T) {
	for _, args := range [][]string{{}, {"run"}, {"plan"}, {"aa"}, {"load"}, {"proxy"}, {"report"}, {"show"}} {
		r := tare(t, t.TempDir(), append(args, "--help")...)
		if r.code != 0 || !strings.Contains(r.out, "Examples:") {
			t.Errorf("tare %s --help: exit %d, no examples", strings.Join(args, " "), r.code)
		}
	}
}
