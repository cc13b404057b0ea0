package store_test

import (
	"fmt"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/store"
)

func ExampleResolve() {
	started := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	entries := []store.Entry{ // newest first
		{ID: "20300102-b7", Study: "imagehub", Started: started, State: experiment.Done},
		{ID: "20300102-a4", Study: "planted", Started: started.Add(-time.Hour), State: experiment.Running},
	}
	fmt.Println(store.Resolve(entries, "last"))
	fmt.Println(store.Resolve(entries, "20300102-a"))
	_, err := store.Resolve(entries, "2029")
	fmt.Println(err)
	// Output:
	// 20300102-b7 <nil>
	// 20300102-a4 <nil>
	// find experiment "2029": no such experiment; name it by "last" or the beginning of one of these:
	//   20300102-b7  2030-01-02 03:04:05  done  imagehub
	//   20300102-a4  2030-01-02 02:04:05  running  planted
}
