package dataplanetest_test

import (
	"encoding/json"
	"encoding/xml"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
)

// TestH2Spec holds the embedded plane's HTTP/2 against h2spec, but for what is
// listed with a reason.
func TestH2Spec(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("h2spec.json")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{} // reasons, by the test
	if err := json.Unmarshal(text, &listed); err != nil {
		t.Fatal(err)
	}
	s := h1.serve(t, people{}, answer)
	addr := free(t)
	p := dataplanetest.ToAll(addr, s.addr)
	p.Shapes = []dataplane.Shape{onlyHTTP2}
	begin(t, planes(t)[1], p)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "report.xml")
	if _, err := h2spec.Run(&config.Config{Host: host, Port: number, Path: "/", Timeout: 2 * time.Second, MaxHeaderLen: 4000, JUnitReport: report}); err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Suites []struct {
			Package string `xml:"package,attr"`
			Cases   []struct {
				Name    string  `xml:"classname,attr"`
				Failure *string `xml:"failure"`
				Error   *string `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	text, err = os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, &suites); err != nil {
		t.Fatal(err)
	}
	passed := 0
	for _, suite := range suites.Suites {
		for _, c := range suite.Cases {
			name := suite.Package + ": " + c.Name
			_, known := listed[name]
			delete(listed, name)
			switch fails := c.Failure != nil || c.Error != nil; {
			case fails && !known:
				t.Errorf("%s: fails", name)
			case known && !fails:
				t.Errorf("%s: is listed as failing, and passes", name)
			case !fails:
				passed++
			}
		}
	}
	for name := range listed {
		t.Errorf("%s: is listed, and not tested", name)
	}
	t.Logf("%d of h2spec's tests passed", passed)
	if passed < 130 {
		t.Errorf("only %d tests passed", passed)
	}
}

func onlyHTTP2(r *dataplane.Resources) error {
	return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
		m.CodecType = hcmv3.HttpConnectionManager_HTTP2
		return nil
	})
}
