package openloop_test

import (
	"testing"

	"github.com/taremesh/tare/load/openloop"
	"github.com/taremesh/tare/loadtest"
)

func TestTraffic(t *testing.T) {
	loadtest.TestTraffic(t, newGenerator(t, openloop.Config{}))
	loadtest.TestTrafficHTTP2(t, newGenerator(t, openloop.Config{}))
}

func TestTrafficOfTwoThreads(t *testing.T) {
	loadtest.TestTraffic(t, newGenerator(t, openloop.Config{Threads: 2}))
	loadtest.TestTrafficHTTP2(t, newGenerator(t, openloop.Config{Threads: 2}))
}
