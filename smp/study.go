package smp

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	spec "github.com/layer5io/service-mesh-performance/spec"

	"github.com/taremesh/tare/study"
)

// urlWorkload is the workload of a study that was made of a test: what answers
// at a URL, and was not started by tare.
const urlWorkload = "url"

// The bounds of a study file, which its errors would give without the place in
// the test.
const (
	mostRate        = 200_000
	mostConnections = 1000
	mostTreatments  = 60
)

// Study writes a test file as a study file: a treatment for each endpoint of
// each client, the load of the first client as the study's, and where another
// client has another, its own beside its URL. What a study has no word for
// stays in its smp block, and is said in a comment.
func (f *File) Study() ([]byte, error) {
	t := f.Test
	if t == nil || len(t.Clients) == 0 {
		return nil, f.at(testKey, "the file has no test with clients: there is nothing to make a study of")
	}
	m := maker{file: f}
	treatments, err := m.treatments()
	if err != nil {
		return nil, err
	}
	first := t.Clients[0]
	body := fields{{"tare", study.Format}, {"name", studyName(t.Name)}}
	if t.Name != "" {
		body = append(body, member{"question", t.Name})
	}
	body = append(body, member{"workload", fields{{"name", urlWorkload}, {"params", m.params(first, first.EndpointUrls[0])}}})
	if l := m.load(); len(l) > 0 {
		body = append(body, member{"load", l})
	}
	body = append(body, member{"treatments", treatments})
	time, err := m.time()
	if err != nil {
		return nil, err
	}
	if time != "" {
		body = append(body, member{"design", fields{{"time", time}}})
	}
	body = append(body, member{"smp", (&File{Test: f.Test, Mesh: f.Mesh}).node()})
	var b bytes.Buffer
	for _, n := range m.notes() {
		fmt.Fprintf(&b, "# %s\n", oneLine(n))
	}
	if err := writeNode(&b, body, YAML); err != nil {
		return nil, err
	}
	if _, err := study.Parse("its study", b.Bytes()); err != nil {
		return nil, fmt.Errorf("%s: the test cannot be a study: %w", f.name(), err)
	}
	return b.Bytes(), nil
}

// FromStudy gives the test file that a study was made of; nil for another study.
func FromStudy(s *study.Study) (*File, error) {
	if s.SMP.IsZero() {
		return nil, nil
	}
	text, err := s.SMP.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("study %s: %w", s.Name, err)
	}
	return Read("the smp block of study "+s.Name, text)
}

// maker makes one study.
type maker struct{ file *File }

func (m maker) treatments() (list, error) {
	var out list
	root := ""
	for i, c := range m.file.Test.Clients {
		path := fmt.Sprintf("%s.clients[%d]", testKey, i)
		if err := m.check(c, path); err != nil {
			return nil, err
		}
		for k, u := range c.EndpointUrls {
			if err := checkURL(u, c.Protocol); err != nil {
				return nil, m.file.at(fmt.Sprintf("%s.endpoint_urls[%d]", path, k), "%w", err)
			}
			name := fmt.Sprintf("client-%d-endpoint-%d", i+1, k+1)
			if root == "" {
				root = name
				out = append(out, fields{{"name", name}, {"control", string(study.Direct)}})
				continue
			}
			out = append(out, fields{{"name", name}, {"baseline", root}, {"workload", m.params(c, u)}})
		}
	}
	if len(out) > mostTreatments {
		return nil, m.file.at(testKey+".clients", "%d endpoints: a study has at most %d treatments", len(out), mostTreatments)
	}
	return out, nil
}

func (m maker) check(c *spec.PerformanceTestConfig_Client, path string) error {
	r := m.file
	switch {
	case len(c.EndpointUrls) == 0:
		return r.at(path, "the client has no endpoint_urls: it would ask nothing")
	case c.Rps > mostRate:
		return r.at(path+".rps", "%d: a study offers at most %d/s to each treatment", c.Rps, mostRate)
	case c.Connections > mostConnections:
		return r.at(path+".connections", "%d: a study has at most %d for each treatment", c.Connections, mostConnections)
	case c.LoadGenerator != "" && !generatorName.MatchString(c.LoadGenerator):
		return r.at(path+".load_generator", "%q is no name of a load generator, such as fortio", c.LoadGenerator)
	}
	return nil
}

var generatorName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)

// checkURL: an endpoint is a whole URL; of what is not HTTP host:port is enough.
func checkURL(text string, p spec.PerformanceTestConfig_Client_Protocol) error {
	u, err := url.Parse(text)
	if err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") {
		return nil
	}
	web := p == spec.PerformanceTestConfig_Client_PROTOCOL_INVALID || p == spec.PerformanceTestConfig_Client_PROTOCOL_HTTP
	if web {
		return fmt.Errorf("%q is no whole URL, such as http://127.0.0.1:8080/productpage", text)
	}
	if err == nil && u.Host != "" || hostPort.MatchString(text) {
		return nil
	}
	return fmt.Errorf("%q is neither a URL nor host:port", text)
}

var hostPort = regexp.MustCompile(`^[^\s/]+:[0-9]{1,5}$`)

// load is the first client's.
func (m maker) load() fields {
	c := m.file.Test.Clients[0]
	out := fields{}
	if c.LoadGenerator != "" {
		out = append(out, member{"generator", c.LoadGenerator})
	}
	if c.Rps > 0 {
		out = append(out, member{"rate", rate(c.Rps)})
	}
	if c.Connections > 0 {
		out = append(out, member{"connections", literal(strconv.Itoa(int(c.Connections)))})
	}
	return out
}

func rate(rps int64) string {
	if rps == 0 {
		return study.ClosedLevel
	}
	return strconv.FormatInt(rps, 10) + "/s"
}

// params are the parameters of the workload url: one endpoint as one client
// asks it. What the study's load says already is not said again.
func (m maker) params(c *spec.PerformanceTestConfig_Client, endpoint string) fields {
	first := m.file.Test.Clients[0]
	out := fields{{"url", endpoint}}
	add := func(name string, v node, given bool) {
		if given {
			out = append(out, member{name, v})
		}
	}
	add("protocol", strings.ToLower(strings.TrimPrefix(c.Protocol.String(), "PROTOCOL_")), c.Protocol != 0)
	add("generator", c.LoadGenerator, c.LoadGenerator != first.LoadGenerator)
	add("rate", rate(c.Rps), c.Rps != first.Rps || c.Rps == 0)
	add("connections", literal(strconv.Itoa(int(c.Connections))), c.Connections != first.Connections)
	add("internal", literal("true"), c.Internal)
	add("headers", texts(c.Headers), len(c.Headers) > 0)
	add("cookies", texts(c.Cookies), len(c.Cookies) > 0)
	add("body", c.Body, c.Body != "")
	add("content_type", c.ContentType, c.ContentType != "")
	return out
}

func texts(of map[string]string) fields {
	out := fields{}
	for k, v := range of {
		out = append(out, member{k, v})
	}
	slices.SortFunc(out, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return out
}

// The bounds of a study's time.
const leastTime, mostTime = 1, 24 * 60 * 60 // s

func (m maker) time() (string, error) {
	d, err := m.file.duration()
	if err != nil || d == 0 {
		return "", err
	}
	if s := d.Seconds(); s < leastTime || s > mostTime {
		return "", m.file.at(testKey+".duration", "%v: a study takes 1s to 24h", d)
	}
	return d.String(), nil
}

// notes say what became of what a study says in another way, or not at all.
func (m maker) notes() []string {
	t := m.file.Test
	out := []string{
		"A study made by tare smp import of " + m.file.name() + ".",
		"Each treatment is one endpoint as one client asks it. Its workload, url, is what answers there already: tare",
		"starts nothing. What tare lacks is kept here and refused by tare run, by its name.",
		"The block smp is the file itself; no run reads it.",
	}
	if t.Duration != "" {
		out = append(out, "duration "+t.Duration+" is the time of the whole run: every treatment stands for all of it.")
	}
	for i, c := range t.Clients {
		if c.Rps == 0 {
			out = append(out, fmt.Sprintf("client %d gives no rps: as many requests as its connections get answered (a closed loop).", i+1))
		}
		if c.Internal {
			out = append(out, fmt.Sprintf("client %d is internal: it is to run inside the mesh, which a study does not say.", i+1))
		}
	}
	if m.file.Mesh.GetType() != spec.ServiceMesh_INVALID_MESH {
		out = append(out, "mesh "+m.file.Mesh.Type.String()+": a study says where its treatments stand by testbed, and what is not tare's it does not name.")
	}
	return out
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// studyName makes a study's name of a test's.
func studyName(name string) string {
	s := strings.Trim(notName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if len(s) > 40 {
		s = strings.Trim(s[:40], "-")
	}
	if s == "" {
		return "smp-test"
	}
	return s
}

// oneLine keeps a text of the file from ending a comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}
