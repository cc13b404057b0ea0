package report

import (
	"fmt"
	"html/template"
	"math"

	"github.com/taremesh/tare/internal/picture"
	"github.com/taremesh/tare/study"
)

// outcomeBars draws what became of the requests of each treatment, one bar a
// class of outcome: in the enforcement phases, and where not all went well in
// the latency phases. The name of the class stands at its bar.
func outcomeBars(r *Report) []template.HTML {
	var out []template.HTML
	for k, t := range r.Treatments {
		for _, o := range t.Outcomes {
			if o.Phase != string(study.Enforce) && o.plain() {
				continue
			}
			out = append(out, bars(fmt.Sprintf("outcomes-%d-%s", k, o.Phase), t.Name, o))
		}
	}
	return out
}

// The rows of a panel of bars.
const (
	barRow  = 30
	barFrom = 0
	barTo   = 200
)

func bars(id, name string, o Outcomes) template.HTML {
	f := panel(panelTop+barRow*float64(len(o.Classes)), name, o.Phase)
	x := picture.Linear(0, 1, barFrom, barTo)
	words := ""
	for k, c := range o.Classes {
		y := panelTop + barRow*float64(k)
		f.Text("small", picture.At(barFrom, y+10), barTo, c.Class)
		f.Box("track", picture.At(barFrom, y+14), picture.At(barTo, y+24))
		class := "share"
		if c.Class == allClasses {
			class = "share whole"
		}
		f.Box(class, picture.At(barFrom, y+14), picture.At(max(x.At(c.Share), barFrom+least(c.Count)), y+24))
		numbers := fmt.Sprintf("%d · %s %%", c.Count, picture.Label(math.Round(1000*c.Share)/10))
		f.Text("number", picture.At(barTo+10, y+12), picture.NarrowWidth-barTo-10, numbers)
		f.Text("small", picture.At(barTo+10, y+25), picture.NarrowWidth-barTo-10, "p50 "+number(c.P50)+" µs")
		words += fmt.Sprintf("%s: %s, p50 %s µs. ", c.Class, numbers, number(c.P50))
	}
	return f.SVG(id, "Outcomes of "+name+" in the phase "+o.Phase, words)
}

// least keeps a bar of a few requests in sight.
func least(count int) float64 {
	if count == 0 {
		return 0
	}
	return 1.5
}
