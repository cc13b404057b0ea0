package openloop

import (
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
	maxArrivals    = 1 << 25   // of one load: 1.6 GB of samples
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
	maxClosed  int // load.MaxClosed
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
	}
	if err := m.Population.Check(); err != nil {
		return nil, err
	}
	e := &engine{targets: m.Targets, population: m.Population, requests: buildRequests(m.Targets, m.Population), maxClosed: load.MaxClosed}
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
	w := &worker{poller: poller, epoch: e.epoch, buffer: make([]byte, 64<<10), requests: e.requests}
	w.pacer.cap = spinCap
	for i, t := range e.targets {
		addr, family, err := sockaddr(t.Addr)
		if err != nil {
			poller.close()
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
		w.headOnly = append(w.headOnly, t.Method == "HEAD")
		w.addPool(i, share(t.Connections, threads, k), share(t.MaxConnections, threads, k), addr, family)
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

// run offers one load. The samples are ordered by intended time; of a canceled
// load only those with an outcome are returned.
func (e *engine) run(l load.Load) ([]load.Sample, load.Stats, error) {
	stats, err := e.prepare(l)
	if err != nil {
		return nil, load.Stats{}, err
	}
	cpu := cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID)
	began := time.Since(e.epoch)
	if !l.Closed {
		began += startLead
	}
	ended := make([]time.Duration, len(e.workers))
	err = e.onAll(func(k int, w *worker) error {
		err := w.offer(began, l.Duration, e.canceled.Load)
		ended[k] = w.now()
		return err
	})
	stats.Began, stats.CPU = began, cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID)-cpu
	if err != nil {
		return nil, load.Stats{}, fmt.Errorf("offer the load: %w", err)
	}
	for k, w := range e.workers {
		stats.Wall = max(stats.Wall, ended[k]-began)
		stats.Spin += w.pacer.spin
		stats.Margin = max(stats.Margin, w.pacer.margin)
		stats.Opened += w.opened
		stats.Saturated = stats.Saturated || w.saturated
		w.opened = 0
		stats.BytesSent += w.sent
		stats.BytesReceived += w.received
	}
	stats.Threads = len(e.workers)
	var samples []load.Sample
	if l.Closed {
		samples = e.gather()
		e.account(l, samples, &stats)
	} else {
		samples = e.merge()
	}
	for i := range samples {
		if samples[i].Written >= 0 {
			stats.Sent++
		}
	}
	return samples, stats, nil
}

// prepare deals the schedule to the threads, mends the pools and collects
// garbage, so that nothing of it happens under load.
func (e *engine) prepare(l load.Load) (load.Stats, error) {
	scheduled, err := e.deal(l)
	if err != nil {
		return load.Stats{}, err
	}
	timeout := l.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	memory := baseMemory + e.requests.bytes
	if l.Closed {
		memory += 2 * e.maxClosed * 64
	}
	for _, w := range e.workers {
		w.timeout = timeout
		w.next, w.oldest, w.outstanding, w.saturated = 0, 0, 0, false
		w.sent, w.received = 0, 0
		memory += 2 * cap(w.samples) * 64 // merged once more at the end
	}
	debug.SetMemoryLimit(int64(memory))
	runtime.GC()
	return load.Stats{Scheduled: scheduled}, e.onAll(func(_ int, w *worker) error {
		w.pacer.plan(l.Rate / float64(len(e.workers)))
		_, err := w.stand(w.now()+repairTimeout, e.canceled.Load) // a target that is gone shows in the samples
		return err
	})
}

// deal gives the threads what they are to do: of an open load arrival i to
// thread i mod N. Buffers keep their memory from load to load.
func (e *engine) deal(l load.Load) (int, error) {
	n, err := 0, error(nil)
	if l.Closed {
		err = e.dealClosed(l)
	} else {
		n, err = e.dealSchedule(l)
	}
	if err != nil {
		return 0, err
	}
	for _, w := range e.workers {
		if cap(w.inLine) < len(w.samples) {
			w.inLine = make([]int32, cap(w.samples))
		}
		w.inLine = w.inLine[:len(w.samples)]
	}
	return n, nil
}

func (e *engine) dealSchedule(l load.Load) (int, error) {
	schedule, err := load.NewSchedule(l, len(e.targets), e.population)
	if err != nil {
		return 0, err
	}
	for _, w := range e.workers {
		w.closed, w.samples = nil, w.samples[:0]
	}
	n := 0
	for a, ok := schedule.Next(); ok; a, ok = schedule.Next() {
		if n == maxArrivals {
			return 0, fmt.Errorf("the load has more than %d requests: make it several", maxArrivals)
		}
		w := e.workers[n%len(e.workers)]
		w.samples = append(w.samples, load.Sample{
			Intended: a.At, Written: never, FirstByte: never, LastByte: never,
			User: uint32(a.User), Target: uint16(a.Target), Class: pending,
		})
		n++
	}
	return n, nil
}

// merge deals back: thread k's i-th sample is the schedule's i·N + k-th.
func (e *engine) merge() []load.Sample {
	n := 0
	for _, w := range e.workers {
		n += len(w.samples)
	}
	merged := make([]load.Sample, 0, n)
	for i := range n {
		s := e.workers[i%len(e.workers)].samples[i/len(e.workers)]
		if s.Class != pending {
			merged = append(merged, s)
		}
	}
	return merged
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
		w.poller.close()
	}
}
