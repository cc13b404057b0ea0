package cli

import (
	"fmt"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/measure"
)

// tools that some part of tare can use, what for, and how each is found.
var tools = []struct {
	name, use string
	find      func() (string, error)
}{
	{"envoy", "the data plane envoy: " + catalog.EnvoyAbsent, catalog.FindEnvoy},
	{"consul", "the testbed consul: " + catalog.ConsulAbsent, catalog.FindConsul},
	{"nginx", "the peer of make bench", onPath("nginx")},
	{"wrk", "the peer of make bench", onPath("wrk")},
}

func onPath(name string) func() (string, error) {
	return func() (string, error) { return exec.LookPath(name) }
}

// health is what tare doctor prints as JSON.
type health struct {
	Environment measure.Environment `json:"environment"`
	Tools       map[string]string   `json:"tools"` // path; empty: absent
	Noise       measure.Noise       `json:"noise"`
	Advice      []string            `json:"advice"`
}

const noiseTime = 2 * time.Second

func newDoctor(State) *cobra.Command {
	var output *string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at this machine: cores, tools, and how quiet it is",
		Args:  exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			h := health{Environment: measure.ReadEnvironment(), Tools: map[string]string{}, Advice: []string{}}
			for _, t := range tools {
				h.Tools[t.name], _ = t.find() // absent is an answer
			}
			noise, err := measure.MeasureNoise(noiseTime)
			if err != nil {
				return err
			}
			h.Noise = noise
			h.advise()
			if *output == asJSON {
				return printJSON(c, h)
			}
			h.print(c)
			return nil
		},
	}
	output = outputFlag(c)
	return c
}

func (h *health) advise() {
	add := func(format string, args ...any) { h.Advice = append(h.Advice, fmt.Sprintf(format, args...)) }
	e := h.Environment
	if e.Cores < 3 {
		add("%d cores are shared by generator, proxies and services: intervals are wider than on a larger machine", e.Cores)
	}
	if e.CPULimit > 0 && e.CPULimit < float64(e.Cores) {
		add("a cgroup limits this process to %.1f cores: throttling shows up as latency", e.CPULimit)
	}
	if e.Load[0] > float64(e.Cores)/2 {
		add("the load average is %.1f: something else is running; intervals will be wider", e.Load[0])
	}
	if e.Governor != "" && e.Governor != "performance" {
		add("the CPU governor is %s: performance gives steadier figures", e.Governor)
	}
	awake, err := measure.KeepAwake()
	if err != nil {
		add("%v: they sleep between requests, and intervals are wider", err)
	}
	_ = awake.Release() // which lets them sleep, in any case
}

func (h *health) print(c *cobra.Command) {
	out := func(format string, args ...any) { fmt.Fprintf(c.OutOrStdout(), format+"\n", args...) }
	e := h.Environment
	out("machine  %s, %d cores, %.1f GB, Linux %s, load average %.2f", e.CPU, e.Cores, float64(e.Memory)/1e9, e.Kernel, e.Load[0])
	out("noise    a thread that sleeps wakes %.0f µs late at the median, %.0f µs at p99; %.1f %% of the CPU time was stolen", micros(h.Noise.P50), micros(h.Noise.P99), 100*h.Noise.Steal)
	for _, t := range tools {
		where := h.Tools[t.name]
		if where == "" {
			where = "absent; only needed for " + t.use
		}
		out("%-8s %s", t.name, where)
	}
	for _, a := range h.Advice {
		out("! %s", a)
	}
	out("tare needs nothing else for studies on the embedded data plane")
}
