package openloop

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

const (
	defaultTimeout = 5 * time.Second
	connectTimeout = 10 * time.Second // for all pools to stand
	repairTimeout  = time.Second      // for lost connections between loads
	startLead      = 2 * time.Millisecond
	scarceSpinCap  = 0.15      // of a core, with fewer than scarceCores
	scarceCores    = 3         // cores below which spinning takes from others
	twoThreadCores = 8         // cores from which a second thread is no burden
	closedFlight   = 1 << 22   // samples of a closed load that may wait for one that hangs
	sampleBytes    = 64        // in a chunk, with what is beside them
	baseMemory     = 256 << 20 // beside samples and requests
)

// engine is the child's state: threads with their connections.
type engine struct {
	targets    []load.Target
	population load.Population
	requests   requests
	epoch      time.Time
	epochNanos int64 // the same moment on CLOCK_MONOTONIC
	workers    []*worker
	orders     []chan func(*worker) // one per thread; closed at the end
	running    sync.WaitGroup
	canceled   atomic.Bool
	holdBack   int // samples
}

// newEngine opens all pools.
func newEngine(m openMessage) (*engine, error) {
	if len(m.Targets) == 0 || len(m.Targets) > math.MaxUint16 {
		return nil, fmt.Errorf("%d targets, not 1 to %d", len(m.Targets), math.MaxUint16)
	}
	for _, t := range m.Targets {
		if err := t.Check(); err != nil {
			return nil, err
		}
		if err := speaks(t); err != nil {
			return nil, err
		}
	}
	if err := asked(m.Population).Check(m.Targets...); err != nil {
		return nil, err
	}
	if err := allowFiles(m.Targets); err != nil {
		return nil, err
	}
	e := &engine{targets: m.Targets, population: m.Population, requests: buildRequests(m.Targets, m.Population), holdBack: cmp.Or(m.HoldBack, holdBack)}
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return nil, fmt.Errorf("read the clock: %w", err)
	}
	e.epoch, e.epochNanos = time.Now(), t.Nano()
	spinCap := m.SpinCap
	if spinCap <= 0 {
		if spinCap = 1; runtime.NumCPU() < scarceCores {
			spinCap = scarceSpinCap
		}
	}
	threads := threadCount(m.Threads, m.Targets)
	// Threads keep their processor while they sleep: one more for the rest.
	runtime.GOMAXPROCS(max(runtime.NumCPU(), threads+1))
	for k := range threads {
		w, err := e.newWorker(k, threads, spinCap/float64(threads))
		if err != nil {
			e.close()
			return nil, err
		}
		e.addThread(w)
	}
	if err := e.open(); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// threadCount is the number wanted, or by cores; never more than every thread
// can have a connection of every target for.
func threadCount(wanted int, targets []load.Target) int {
	n := wanted
	if n <= 0 {
		n = 1
		if runtime.NumCPU() >= twoThreadCores {
			n = 2
		}
	}
	for _, t := range targets {
		n = min(n, t.Connections)
	}
	return n
}

func (e *engine) newWorker(k, threads int, spinCap float64) (*worker, error) {
	poller, err := newPoller()
	if err != nil {
		return nil, err
	}
	w := &worker{poller: poller, epoch: e.epoch, buffer: make([]byte, 64<<10), requests: e.requests.own(), population: asked(e.population)}
	w.pacer.cap = spinCap
	own := load.Share{K: k, N: threads}
	for _, q := range asked(e.population).Requests {
		w.headOnly = append(w.headOnly, q.Method == "HEAD")
	}
	for i, t := range e.targets {
		addr, family, err := sockaddr(t.Addr)
		if err != nil {
			poller.close()
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
		secured, err := t.Security()
		if err != nil {
			poller.close()
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
		w.addPool(pool{
			target: i, base: own.Of(t.Connections), addr: addr, family: family,
			protocol: w.newProtocol(i, t), tls: secured, places: places(t), bound: t.Protocol == load.Connect, fresh: t.Fresh, renewal: newRenewal(t, threads, k),
		}, own.Of(t.MaxConnections))
	}
	return w, nil
}

// addThread starts a worker's thread, which lives as long as the engine and
// does what it is ordered to.
func (e *engine) addThread(w *worker) {
	orders := make(chan func(*worker))
	e.workers, e.orders = append(e.workers, w), append(e.orders, orders)
	e.running.Go(func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its settings
		for order := range orders {
			order(w)
		}
	})
}

// onAll gives an order to every thread, waits, and joins the errors.
func (e *engine) onAll(order func(k int, w *worker) error) error {
	errs := make([]error, len(e.workers))
	var done sync.WaitGroup
	for k, orders := range e.orders {
		done.Add(1)
		orders <- func(w *worker) {
			defer done.Done()
			errs[k] = order(k, w)
		}
	}
	done.Wait()
	return errors.Join(errs...)
}

// open prepares the threads and lets all pools stand.
func (e *engine) open() error {
	return e.onAll(func(k int, w *worker) error {
		if err := setTimerSlack(); err != nil {
			return fmt.Errorf("set the timer slack: %w", err)
		}
		if err := pin(k); err != nil {
			return err
		}
		target, err := w.stand(w.now()+connectTimeout, e.canceled.Load)
		if err != nil {
			return fmt.Errorf("open the pools: %w", err)
		}
		if target != none {
			t := e.targets[target]
			reason := w.lastError
			if reason == nil {
				reason = fmt.Errorf("not all stood after %v", connectTimeout)
			}
			return fmt.Errorf("open %d connections to target %s at %s: %w", t.Connections, t.Name, t.Addr, reason)
		}
		if err := w.pacer.calibrate(w.poller); err != nil {
			return fmt.Errorf("measure how late a sleep wakes: %w", err)
		}
		return nil
	})
}

// pin ties this thread to a core of its own, counted from the last, where
// there are enough of them.
func pin(k int) error {
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("read this thread's cores: %w", err)
	}
	if allowed.Count() < scarceCores {
		return nil
	}
	skip := k % allowed.Count()
	for core := len(allowed)*64 - 1; core >= 0; core-- {
		if !allowed.IsSet(core) {
			continue
		}
		if skip == 0 {
			one.Set(core)
			break
		}
		skip--
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("pin thread %d: %w", k, err)
	}
	return nil
}

// cancel ends the load that runs, from any goroutine.
func (e *engine) cancel() {
	e.canceled.Store(true)
	for _, w := range e.workers {
		w.poller.wake()
	}
}

// offer carries out one load. The receiver gets the samples in the order of
// their intended times, of a canceled load those that have an outcome. On an
// error that ends the load early, what was done is with the receiver, and the
// stats say how much it is.
func (e *engine) offer(l load.Load, out receiver) (load.Stats, error) {
	if err := e.prepare(l); err != nil {
		return load.Stats{}, err
	}
	cpu := cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID)
	began, err := e.beginning(l)
	if err != nil {
		return load.Stats{}, err
	}
	c := e.newCollector(l, began, out)
	over := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { c.watch(e, began, over) })
	ended := make([]time.Duration, len(e.workers))
	err = e.onAll(func(k int, w *worker) error {
		err := w.offer(began, l.Duration, e.canceled.Load)
		ended[k] = w.now()
		return err
	})
	close(over)
	watching.Wait()
	stats := load.Stats{Began: began, CPU: cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID) - cpu}
	e.account(ended, &stats)
	err = errors.Join(err, c.finish())
	stats.Sent = c.sent
	if l.Closed {
		stats.Scheduled, stats.Margin, stats.Throughput = c.kept, 0, c.throughput(l, stats.Wall)
	}
	if err != nil {
		return stats, fmt.Errorf("offer the load: %w", err)
	}
	return stats, nil
}

// account sums up what the threads say of themselves.
func (e *engine) account(ended []time.Duration, stats *load.Stats) {
	stats.Threads = len(e.workers)
	for k, w := range e.workers {
		stats.Scheduled += w.next
		stats.Wall = max(stats.Wall, ended[k]-stats.Began)
		stats.Spin += w.pacer.spin
		stats.Margin = max(stats.Margin, w.pacer.margin)
		stats.Opened += w.opened
		stats.Saturated = stats.Saturated || w.saturated
		w.opened = 0
		stats.BytesSent += w.sent
		stats.BytesReceived += w.received
	}
}

// beginning is when a load that is prepared begins. A closed one is held back
// here until then, an open one by its schedule.
func (e *engine) beginning(l load.Load) (time.Duration, error) {
	now := time.Since(e.epoch)
	switch {
	case l.Begin == 0 && l.Closed:
		return now, nil
	case l.Begin == 0:
		return now + startLead, nil
	case l.Begin < now:
		return 0, fmt.Errorf("the load was to begin %v before it was ready: let it begin later", now-l.Begin)
	case l.Closed:
		time.Sleep(l.Begin - now)
	}
	return l.Begin, nil
}

// prepare deals the schedule to the threads, mends the pools and collects
// garbage, so that nothing of it happens under load.
func (e *engine) prepare(l load.Load) error {
	if err := e.deal(l); err != nil {
		return err
	}
	timeout := l.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	expected := e.expected(l)
	for _, w := range e.workers {
		w.timeout = timeout
		w.outstanding, w.saturated, w.failed = 0, false, nil
		w.sent, w.received = 0, 0
		w.tally.clear()
		w.reserve(expected)
	}
	flight := closedFlight
	if !l.Closed {
		flight = int(min(l.MeanRate()*timeout.Seconds(), maxPlaces))
	}
	debug.SetMemoryLimit(int64(baseMemory + e.requests.bytes + sampleBytes*(e.holdBack+slack+flight)))
	runtime.GC()
	return e.onAll(func(_ int, w *worker) error {
		w.pacer.plan(l.MeanRate() / float64(len(e.workers)))
		_, err := w.stand(w.now()+repairTimeout, e.canceled.Load) // a target that is gone shows in the samples
		return err
	})
}

// close ends the threads and their connections.
func (e *engine) close() {
	for _, orders := range e.orders {
		close(orders)
	}
	e.running.Wait()
	for _, w := range e.workers {
		for slot := range w.conns {
			w.drop(int32(slot))
		}
		w.endHandshakes()
		w.poller.close()
	}
}
