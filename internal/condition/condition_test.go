package condition_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/internal/condition"
)

var errorsAlone = condition.Language{Figures: []condition.Figure{{Name: "errors", Example: "<0.1%", Read: readShare}}}

var wide = condition.Language{
	Times: []string{"latency", "service"}, Max: true, Above: true,
	Figures: []condition.Figure{{Name: "errors", Example: "<0.1%", Read: readShare}, {Name: "rate", Example: ">900/s", Read: readShare}},
}

func readShare(bound string) (float64, error) {
	return strconv.ParseFloat(strings.TrimRight(bound, "%/s"), 64)
}

func TestParse(t *testing.T) {
	for text, want := range map[string][]condition.Condition{
		"p99<5ms":            {{Name: "p99", Kind: "latency", Quantile: 0.99, Bound: 5e6, Text: "p99<5ms"}},
		" p099.90 < 800us ":  {{Name: "p99.9", Kind: "latency", Quantile: 0.999, Bound: 8e5, Text: "p99.9<800us"}},
		"latency.p50>1h":     {{Name: "p50", Kind: "latency", Quantile: 0.5, Above: true, Bound: 3.6e12, Text: "p50>1h"}},
		"service.max<1s":     {{Name: "service.max", Kind: "service", Quantile: 1, Bound: 1e9, Text: "service.max<1s"}},
		"rate>9/s,rate<99/s": {{Name: "rate", Above: true, Bound: 9, Text: "rate>9/s"}, {Name: "rate", Bound: 99, Text: "rate<99/s"}},
	} {
		got, err := wide.Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	got, err := errorsAlone.Parse("p99<5ms,errors<1%")
	want := []condition.Condition{{Name: "p99", Quantile: 0.99, Bound: float64(5 * time.Millisecond), Text: "p99<5ms"}, {Name: "errors", Bound: 1, Text: "errors<1%"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// Errors say where, and what to write.
func TestParseRefuses(t *testing.T) {
	long := make([]string, 65)
	for i := range long {
		long[i] = fmt.Sprintf("p%d<1s", i+1)
	}
	for _, c := range []struct {
		of         condition.Language
		text, want string
	}{
		{wide, " ", "there is no condition; write one such as p99<5ms or errors<0.1%"},
		{condition.Language{}, "", "there is no condition; write one such as p99<5ms"},
		{wide, "p99<5ms,", "there is a comma without a condition: nothing stands in place 2; leave the comma out"},
		{wide, "p99", `condition "p99" has no bound; write it as p99<5ms`},
		{wide, "service.p50 <", `condition "service.p50 <" has no bound; write it as service.p50<5ms`},
		{wide, "rate", `condition "rate" has no bound; write it as rate>900/s`},
		{wide, "p99<5", `condition "p99<5": 5 has no unit; write it as "5ms" or "5us"`},
		{wide, "p99<five", `condition "p99<five": "five" is no time such as 5ms or 800us`},
		{wide, "p99<-5ms", `condition "p99<-5ms": -5ms is no time above 0: nothing takes less`},
		{wide, "p99>=5ms", `condition "p99>=5ms": write < or > (whether`},
		{errorsAlone, "p99<=5ms", `condition "p99<=5ms": write < (whether`},
		{errorsAlone, "p99>5ms", `condition "p99>5ms": there are only bounds from above; write it as p99<5ms`},
		{wide, "p100<5ms", `condition "p100<5ms": p100 is no quantile from p1 to below p100`},
		{wide, "p0<5ms", "p0 is no quantile"},
		{wide, "p99.9999999999999<1ms", "is no quantile"},
		{wide, "p" + strings.Repeat("9", 400) + "<1ms", "is no quantile"},
		{wide, "p<5ms", `unknown figure "p" (known: p50, p90, p99 and other quantiles, max, service.p99, errors, rate)`},
		{wide, "p.<5ms", `unknown figure "p."`},
		{wide, "pNaN<5ms", `unknown figure "pNaN"`},
		{wide, "p9e1<5ms", `unknown figure "p9e1"`},
		{wide, "p1.2.3<5ms", `unknown figure "p1.2.3"`},
		{wide, "client.p99<5ms", `unknown figure "client.p99"`},
		{errorsAlone, "max<5ms", `unknown figure "max" (known: p50, p90, p99 and other quantiles, errors)`},
		{errorsAlone, "latency.p99<5ms", `unknown figure "latency.p99"`},
		{errorsAlone, ".p99<5ms", `unknown figure ".p99"`},
		{wide, "p99<5ms,latency.p99.00<1s", `condition "latency.p99.00<1s": p99 is bounded twice; leave one out`},
		{wide, strings.Join(long, ","), `condition "p65<1s": there are more than 64`},
	} {
		if got, err := c.of.Parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %v, %v, want %q", c.text, got, err, c.want)
		}
	}
}

func ExampleLanguage_Parse() {
	l := condition.Language{Figures: []condition.Figure{{Name: "errors", Example: "<1%", Read: readShare}}}
	all, err := l.Parse("p99.9 < 5ms, errors<1%")
	for _, c := range all {
		fmt.Println(c.Name, c.Quantile, c.Bound)
	}
	fmt.Println(err)
	_, err = l.Parse("p99<5")
	fmt.Println(err)
	// Output:
	// p99.9 0.999 5e+06
	// errors 0 1
	// <nil>
	// condition "p99<5": 5 has no unit; write it as "5ms" or "5us"
}
