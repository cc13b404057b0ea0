package cli_test

import "testing"

// overHTTP2 asks services and proxies of both planes by HTTP/2. None of them
// would let its pool stand if it did not speak it.
const overHTTP2 = `tare: study/1
name: protocols
dataplane: [embedded, envoy]
workload: {name: echo}
load: {rate: 100/s, connections: 2}
treatments:
  - {name: direct, control: direct}
  - {name: direct-2, baseline: direct, set: {protocol: http/2}}
  - {name: router, control: router, baseline: direct}
  - {name: router-2, baseline: router, set: {protocol: http/2}}
design: {name: interleaved, blocks: 2, warmup: 20, idle: 100ms, latency: 500ms, stop: fixed}
`

func TestProtocolIsAFactor(t *testing.T) {
	run := tare(t, t.TempDir(), "run", write(t, overHTTP2), "-o", "json")
	if run.code != 0 {
		t.Fatalf("exit %d\n%s", run.code, run.err)
	}
	r := decode(t, run.out)
	for _, x := range r.Treatments {
		if x.Requests < 20 || x.CPU == nil || *x.CPU <= 0 {
			t.Errorf("%+v", x)
		}
	}
	if len(r.Treatments) != 6 || r.Voids != 0 {
		t.Errorf("%d treatments, %d void blocks", len(r.Treatments), r.Voids)
	}
}
