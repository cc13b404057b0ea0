package smp

import (
	"fmt"
	"io"
	"maps"
	"math"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	spec "github.com/layer5io/service-mesh-performance/spec"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// File is what one file holds, as the official messages.
type File struct {
	Test         *spec.PerformanceTestConfig
	Mesh         *spec.ServiceMesh // of a test: {type: 3}
	MeshConfigs  []*spec.ServiceMeshConfig
	Environments []*spec.EnvironmentConfig
	Results      []*spec.PerformanceTestResult

	reader *reader
}

// The keys of a file that holds more than one message.
const (
	testKey         = "test"
	meshKey         = "mesh"
	meshConfigsKey  = "mesh_configs"
	environmentsKey = "environments"
	resultsKey      = "results"
)

var fileKeys = []string{testKey, meshKey, meshConfigsKey, environmentsKey, resultsKey}

// Read reads a test file, a result file, a list of results, or what Write
// wrote; name stands in errors. What a field may not hold (an unknown name, a
// negative count, a percentile below a lower one) is an error with its place.
func Read(name string, text []byte) (*File, error) {
	f := &File{reader: &reader{file: name, places: map[string]ast.Node{}}}
	f.reader.later = f.label
	body, err := f.reader.document(text)
	if err != nil {
		return nil, err
	}
	if err := f.read(body); err != nil {
		return nil, err
	}
	return f, f.check()
}

func (f *File) read(body ast.Node) error {
	r := f.reader
	if _, ok := body.(*ast.SequenceNode); ok {
		return f.member(resultsKey, body)
	}
	members, err := r.members(body, "the file")
	if err != nil {
		return err
	}
	keys := map[string]ast.Node{}
	for _, m := range members {
		name, _ := r.key(m)
		keys[name] = m.Value
	}
	switch kind := kindOfFile(keys); kind {
	case fileKind:
		for _, m := range members {
			name, _ := r.key(m)
			if err := f.member(name, m.Value); err != nil {
				return err
			}
		}
		return nil
	case testKind:
		return f.member(testKey, body)
	case resultKind:
		return f.result(body, resultsKey+"[0]")
	case oldResultKind:
		return f.oldResult(members)
	}
	return r.errorf(body, "neither a test (clients) nor a result (latencies_ms), nor a file with some of %s", strings.Join(fileKeys, ", "))
}

// The shapes that files come in.
const (
	unknownKind = iota
	fileKind
	testKind
	resultKind
	oldResultKind
)

func kindOfFile(keys map[string]ast.Node) int {
	for _, k := range fileKeys {
		if _, ok := keys[k]; ok {
			return fileKind
		}
	}
	for _, k := range []struct {
		key  string
		kind int
	}{{"clients", testKind}, {"latencies_ms", resultKind}, {"latenciesMs", resultKind}, {"client", oldResultKind}} {
		if _, ok := keys[k.key]; ok {
			return k.kind
		}
	}
	return unknownKind
}

// member reads what stands under one key of a file.
func (f *File) member(name string, n ast.Node) error {
	r := f.reader
	r.places[name] = n
	if n == nil || n.Type() == ast.NullType {
		return nil
	}
	switch name {
	case testKey:
		f.Test = &spec.PerformanceTestConfig{}
		return r.message(n, f.Test.ProtoReflect(), testKey)
	case meshKey:
		f.Mesh = &spec.ServiceMesh{}
		return r.message(n, f.Mesh.ProtoReflect(), meshKey)
	case resultsKey:
		return f.each(n, name, f.result)
	case meshConfigsKey:
		return f.each(n, name, func(n ast.Node, path string) error {
			m := &spec.ServiceMeshConfig{}
			f.MeshConfigs = append(f.MeshConfigs, m)
			return r.message(n, m.ProtoReflect(), path)
		})
	case environmentsKey:
		return f.each(n, name, func(n ast.Node, path string) error {
			m := &spec.EnvironmentConfig{}
			f.Environments = append(f.Environments, m)
			return r.message(n, m.ProtoReflect(), path)
		})
	}
	return r.errorf(n, "unknown field %q of the file (known: %s)", name, strings.Join(fileKeys, ", "))
}

func (f *File) result(n ast.Node, path string) error {
	m := &spec.PerformanceTestResult{}
	f.Results = append(f.Results, m)
	return f.reader.message(n, m.ProtoReflect(), path)
}

func (f *File) each(n ast.Node, name string, do func(ast.Node, string) error) error {
	l, ok := n.(*ast.SequenceNode)
	if !ok {
		return f.reader.errorf(n, "%s: want a list, found %s", name, kindOf(n))
	}
	for i, e := range l.Values {
		path := fmt.Sprintf("%s[%d]", name, i)
		f.reader.places[path] = e
		if err := do(e, path); err != nil {
			return err
		}
	}
	return nil
}

// label keeps what the test has no field for under its path, as in
// clients[0].additional_options.
func (f *File) label(path, value string) {
	if f.Test.Labels == nil {
		f.Test.Labels = map[string]string{}
	}
	f.Test.Labels[strings.TrimPrefix(path, testKey+".")] = value
}

// oldResult reads the shape that the specification showed before it had
// messages: latencies and rate under client, the URL beside them. What the
// message has no field for becomes labels.
func (f *File) oldResult(members []*ast.MappingValueNode) error {
	r := f.reader
	out := &spec.PerformanceTestResult{Labels: map[string]string{}}
	f.Results = append(f.Results, out)
	for _, m := range members {
		name, _ := r.key(m)
		path := resultsKey + "[0]." + name
		r.places[path] = m.Value
		if m.Value == nil || m.Value.Type() == ast.NullType {
			continue
		}
		var err error
		switch name {
		case "client":
			err = f.oldClient(m.Value, out)
		case "env", "metrics":
			err = r.labels(m.Value, path, name+".", out.Labels)
		default:
			if d := fieldOf(out.ProtoReflect().Descriptor(), name); d != nil && !d.IsMap() {
				err = r.field(m.Value, out.ProtoReflect(), d, path)
				break
			}
			out.Labels[name], err = r.text(m.Value, path, "text")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *File) oldClient(n ast.Node, out *spec.PerformanceTestResult) error {
	r := f.reader
	path := resultsKey + "[0]"
	members, err := r.members(n, path+".client")
	if err != nil {
		return err
	}
	fieldsOf := out.ProtoReflect().Descriptor().Fields()
	for _, m := range members {
		name, _ := r.key(m)
		switch name {
		case "latencies_ms":
			r.places[path+".latencies_ms"] = m.Value
			err = r.field(m.Value, out.ProtoReflect(), fieldsOf.ByName("latencies_ms"), path+".latencies_ms")
		case "rps":
			r.places[path+".actual_qps"] = m.Value
			err = r.field(m.Value, out.ProtoReflect(), fieldsOf.ByName("actual_qps"), path+".actual_qps")
		default:
			out.Labels["client."+name], err = r.text(m.Value, path+".client."+name, "text")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// labels takes a mapping of texts in, each under its key with a prefix.
func (r *reader) labels(n ast.Node, path, prefix string, into map[string]string) error {
	members, err := r.members(n, path)
	if err != nil {
		return err
	}
	for _, m := range members {
		key, _ := r.key(m)
		text, err := r.text(m.Value, path+"."+key, "text")
		if err != nil {
			return err
		}
		into[prefix+key] = text
	}
	return nil
}

// Write writes the file in its normal form: the set fields in the order of
// their numbers, maps in the order of their keys. A lone result is written as
// the message itself.
func (f *File) Write(w io.Writer, as Encoding) error {
	if err := writeNode(w, f.node(), as); err != nil {
		return fmt.Errorf("write SMP: %w", err)
	}
	return nil
}

func (f *File) node() node {
	out := fields{}
	if f.Test != nil {
		out = append(out, member{testKey, nodeOf(f.Test.ProtoReflect())})
	}
	if f.Mesh != nil {
		out = append(out, member{meshKey, nodeOf(f.Mesh.ProtoReflect())})
	}
	if len(out) == 0 && len(f.Results) == 1 && len(f.MeshConfigs)+len(f.Environments) == 0 && f.Results[0].LatenciesMs != nil {
		return nodeOf(f.Results[0].ProtoReflect())
	}
	for _, l := range []struct {
		key string
		of  list
	}{{meshConfigsKey, nodesOf(f.MeshConfigs)}, {environmentsKey, nodesOf(f.Environments)}, {resultsKey, nodesOf(f.Results)}} {
		if len(l.of) > 0 {
			out = append(out, member{l.key, l.of})
		}
	}
	if len(out) == 0 {
		out = append(out, member{resultsKey, list{}})
	}
	return out
}

func nodesOf[M proto.Message](ms []M) list {
	out := list{}
	for _, m := range ms {
		out = append(out, nodeOf(m.ProtoReflect()))
	}
	return out
}

// Equal reports whether two files hold the same messages.
func (f *File) Equal(g *File) bool {
	return proto.Equal(f.Test, g.Test) && proto.Equal(f.Mesh, g.Mesh) &&
		equalAll(f.MeshConfigs, g.MeshConfigs) && equalAll(f.Environments, g.Environments) && equalAll(f.Results, g.Results)
}

func equalAll[M proto.Message](a, b []M) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !proto.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// check holds what was read against what its fields mean.
func (f *File) check() error {
	if err := f.checkTest(); err != nil {
		return err
	}
	for i, m := range f.MeshConfigs {
		if err := f.checkCounts(m.ProtoReflect(), fmt.Sprintf("%s[%d]", meshConfigsKey, i)); err != nil {
			return err
		}
	}
	for i, m := range f.Environments {
		if err := f.checkCounts(m.ProtoReflect(), fmt.Sprintf("%s[%d]", environmentsKey, i)); err != nil {
			return err
		}
	}
	for i, m := range f.Results {
		if err := f.checkResult(m, fmt.Sprintf("%s[%d]", resultsKey, i)); err != nil {
			return err
		}
	}
	return nil
}

// checkCounts refuses negative numbers: every number of the messages is a
// count, a size, a rate or a time.
func (f *File) checkCounts(m protoreflect.Message, path string) error {
	if m.Descriptor().FullName() == "google.protobuf.Timestamp" {
		return nil
	}
	var err error
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		at := path + "." + string(d.Name())
		switch {
		case d.IsMap():
		case d.IsList() && d.Kind() == protoreflect.MessageKind:
			for i := range v.List().Len() {
				if err = f.checkCounts(v.List().Get(i).Message(), fmt.Sprintf("%s[%d]", at, i)); err != nil {
					break
				}
			}
		case d.IsList():
		case d.Kind() == protoreflect.MessageKind:
			err = f.checkCounts(v.Message(), at)
		case d.Kind() == protoreflect.Int32Kind || d.Kind() == protoreflect.Int64Kind:
			if v.Int() < 0 {
				err = f.at(at, "%d is below 0", v.Int())
			}
		case d.Kind() == protoreflect.DoubleKind:
			if v.Float() < 0 || math.IsNaN(v.Float()) {
				err = f.at(at, "%v is below 0", v.Float())
			}
		}
		return err == nil
	})
	return err
}

func (f *File) checkTest() error {
	if f.Test == nil {
		return nil
	}
	if err := f.checkCounts(f.Test.ProtoReflect(), testKey); err != nil {
		return err
	}
	if f.Test.Duration == "" {
		return nil
	}
	_, err := f.duration()
	return err
}

// duration is how long the test takes; 0 where it says nothing.
func (f *File) duration() (time.Duration, error) {
	text := f.Test.GetDuration()
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, f.at(testKey+".duration", "%q is not a time above 0 with its unit, such as 60s", text)
	}
	return d, nil
}

func (f *File) checkResult(m *spec.PerformanceTestResult, path string) error {
	if err := f.checkCounts(m.ProtoReflect(), path); err != nil {
		return err
	}
	if s, e := m.StartTime, m.EndTime; s != nil && e != nil && e.AsTime().Before(s.AsTime()) {
		return f.at(path+".end_time", "the end is before the start")
	}
	last, lastName := 0.0, ""
	for _, q := range quantilesOf(m.LatenciesMs) {
		if q.value == 0 {
			continue // not given
		}
		if q.value < last {
			return f.at(path+".latencies_ms."+q.name, "%v is below %s, which is %v", q.value, lastName, last)
		}
		last, lastName = q.value, q.name
	}
	return nil
}

type quantile struct {
	name  string
	value float64
}

// quantilesOf lists the latencies that have an order, in it.
func quantilesOf(l *spec.PerformanceTestResult_Latency) []quantile {
	return []quantile{{"min", l.GetMin()}, {"p50", l.GetP50()}, {"p90", l.GetP90()}, {"p99", l.GetP99()}, {"max", l.GetMax()}}
}

// withLabels is a copy of labels with some more.
func withLabels(labels, more map[string]string) map[string]string {
	out := maps.Clone(labels)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, more)
	return out
}

// at makes an error at a place of the file, or of one that was made in code.
func (f *File) at(path, format string, args ...any) error {
	r := f.reader
	if r == nil {
		r = &reader{file: "SMP"}
	}
	return r.at(path, format, args...)
}

// name is what the file is called in errors.
func (f *File) name() string {
	if f.reader == nil {
		return "SMP"
	}
	return f.reader.file
}
