package functiontest_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/headermutation"
	"github.com/taremesh/tare/internal/extproc"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// again is what becomes of requests when the process of the service has ended:
// the proxy must go on, and once there is a service again it must serve.
func (k safetyTry) again(t *testing.T, s *setting, others string) string {
	t.Helper()
	i := slices.IndexFunc(s.x.Proxy.Clusters, func(c dataplane.Cluster) bool { return c.Name == function.ExternalCluster })
	l := vacant(t, s.x.Proxy.Clusters[i].Endpoints[0])
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = extproc.Serve(ctx, l, processOf(func() {})) // until cancel
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	for end := time.Now().Add(patience); once(s.addr, nil, answerWithin) != "served"; {
		select {
		case <-s.proxy.Done():
			t.Fatal("the proxy has ended with the service")
		default:
		}
		if time.Now().After(end) {
			t.Fatal("the proxy serves nothing, though there is a service again")
		}
	}
	return fmt.Sprintf("the service's own process ended, and the proxy's went on: the next request %s, and all were served once there was a service again", others)
}

// vacant listens on an address as soon as nobody else does.
func vacant(t *testing.T, addr string) net.Listener {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return l
		}
		if time.Now().After(end) {
			t.Fatalf("the hostile service has not ended: %v", err)
		}
	}
}

// codeNames are what Envoy's messages are named where they carry code of the
// user's, or have a service asked what becomes of a request.
func codeNames() []string {
	return []string{".filters.http.lua.", ".filters.http.wasm.", ".extensions.wasm.", ".dynamic_modules.", ".golang.", ".ext_proc.", ".ext_authz.", ".filters.http.ratelimit."}
}

// codeIn are the messages of a configuration that do so.
func codeIn(t *testing.T, m protoreflect.Message) (found []string) {
	name := string(m.Descriptor().FullName())
	if slices.ContainsFunc(codeNames(), func(part string) bool { return strings.Contains(name, part) }) {
		found = append(found, name)
	}
	if packed, ok := m.Interface().(*anypb.Any); ok {
		inside, err := packed.UnmarshalNew()
		if err != nil {
			t.Fatalf("look into %s: %v", packed.GetTypeUrl(), err)
		}
		return append(found, codeIn(t, inside.ProtoReflect())...)
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			if f.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					found = append(found, codeIn(t, v.Message())...)
					return true
				})
			}
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				found = append(found, codeIn(t, v.List().Get(i).Message())...)
			}
		default:
			found = append(found, codeIn(t, v.Message())...)
		}
		return true
	})
	return found
}

// codeOf are those of all that a proxy is told when the function is placed in
// it.
func codeOf(t *testing.T, p placement.Placement, fn function.Function, spec function.Spec, replicas int) (found []string) {
	t.Helper()
	x := &testbed.Topology{Name: fn.Name, Proxy: &dataplane.Proxy{
		Listen:   "127.0.0.1:1",
		Hosts:    []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}},
		Clusters: []dataplane.Cluster{{Name: testbed.ServiceCluster}},
	}}
	for i := range replicas {
		x.Proxy.Clusters[0].Endpoints = append(x.Proxy.Clusters[0].Endpoints, fmt.Sprintf("127.0.0.1:%d", 2+i))
	}
	if err := p.Place(x, fn, spec); err != nil {
		t.Fatalf("%s: %v", fn.Name, err)
	}
	if x.Asked != nil {
		x.Proxy.Clusters = append(x.Proxy.Clusters, dataplane.Cluster{Name: function.ExternalCluster, Endpoints: []string{"127.0.0.1:100"}, HTTP2: true})
	}
	r, err := xds.Resources(*x.Proxy)
	if err != nil {
		t.Fatalf("%s, before %d replicas: %v", fn.Name, replicas, err)
	}
	all := []proto.Message{r.Listener, r.Routes}
	for _, c := range r.Clusters {
		all = append(all, c)
	}
	for _, m := range all {
		found = append(found, codeIn(t, m.ProtoReflect())...)
	}
	return found
}

// withoutCode holds that nothing of a user's runs in a plane's own filters, nor
// elsewhere at their word: so none of it can do its worst.
func (k safetyTry) withoutCode(t *testing.T) (atlas.Verdict, string) {
	fs, err := catalog.Functions()
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, fn := range fs.All() {
		if fn.Native == nil {
			continue
		}
		trials := fn.Trials
		if fn.Example != "" {
			trials = append(slices.Clone(trials), function.Trial{Name: "its example", Params: fn.Example})
		}
		for _, trial := range trials {
			if trial.Only == function.InApplication {
				continue
			}
			looked++
			replicas := max(len(trial.Replicas), fn.Replicas, 1)
			if found := codeOf(t, k.place, fn, specOf(t, fn, trial), replicas); len(found) > 0 {
				t.Errorf("%s, %s: its native form carries %s", fn.Name, trial.Name, found)
			}
		}
	}
	if looked < 50 {
		t.Errorf("%d configurations were looked at", looked)
	}
	return atlas.Shown, "nothing of a user's runs in it: no function's native configuration carries a script or a module, or has a service asked what becomes of a request"
}

func specOf(t *testing.T, fn function.Function, trial function.Trial) function.Spec {
	t.Helper()
	params := strings.NewReplacer(function.TrialDir, t.TempDir(), function.TrialCollector, "127.0.0.1:99").Replace(cmp.Or(trial.Params, "{}"))
	given, err := study.JSONParams(fn.Name, []byte(params))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := fn.Decode(given)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// What carries code is found in every form that does, so that it would be found
// in a native one.
func TestCodeIsFound(t *testing.T) {
	fn := headermutation.Function()
	spec := headermutation.Spec{Response: []headermutation.Mutation{{Op: headermutation.Set, Name: "x", Value: "1"}}}
	for _, p := range placement.All() {
		if p.Form == study.FormLibrary {
			continue
		}
		found := codeOf(t, p, fn, spec, 1)
		if (len(found) > 0) != (p.Form != study.FormNative) {
			t.Errorf("%s: found %q", p.Form, found)
		}
	}
}
