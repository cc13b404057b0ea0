package loadreport_test

import (
	"fmt"
	"log"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
)

// A thousand requests of which each tenth was answered by 503.
func Example() {
	l := load.Load{Rate: 1000, Duration: time.Second, Seed: 1}
	c := loadreport.NewCollector(l, load.Population{})
	defer c.Close()
	for n := range 1000 {
		at := time.Duration(n) * time.Millisecond
		s := load.Sample{Intended: at, Written: at + time.Microsecond, LastByte: at + 101*time.Microsecond, Status: 200}
		if n%10 == 0 {
			s.Class, s.Status = load.ServerError, 503
		}
		if err := c.Take([]load.Sample{s}); err != nil {
			log.Fatal(err)
		}
	}
	conditions, err := loadreport.ParseConditions("p50<1ms,p99<5ms,errors<1%")
	if err != nil {
		log.Fatal(err)
	}
	r, err := c.Report(loadreport.Run{Load: l, Stats: load.Stats{Scheduled: 1000, Sent: 1000, Wall: time.Second}, NoFloor: "an example has none"}, conditions)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*r.Latency.P50, "µs,", r.Errors, "errors")
	for _, o := range r.Conditions {
		fmt.Println(o.Condition, o.State)
	}
	// Output:
	// 101 µs, 100 errors
	// p50<1ms ok
	// p99<5ms undecided
	// errors<1% failed
}
