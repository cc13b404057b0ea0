package loadreport_test

import (
	"testing"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
)

// What one sample costs to take, the collector's memory included.
func BenchmarkTake(b *testing.B) {
	m := steady()
	samples := m.samples(b)
	c := loadreport.NewCollector(m.load, load.Population{})
	defer c.Close()
	b.ReportAllocs()
	for n := 0; b.Loop(); n += len(samples) {
		if err := c.Take(samples); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(samples)), "ns/sample")
}

// What the report of 20,000 requests costs.
func BenchmarkReport(b *testing.B) {
	for b.Loop() {
		steady().report(b, "p99<5ms")
	}
}
