package functiontest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/function"
)

// stage is the replicas of a trial and what reached them.
type stage struct {
	replicas []*replica

	mu         sync.Mutex
	start      time.Time
	deliveries []function.Delivery
	open       int // requests of the trial that are being served

	// change gives the instance other parameters; nil: it cannot be done there.
	change  func(params string) error
	changes []function.Change
}

type replica struct {
	index   int
	plays   function.Replica
	addr    string
	mu      sync.Mutex
	counted map[string]int // requests so far, by path of plays.Paths; "" for the rest
}

func newStage(t *testing.T, plays []function.Replica) *stage {
	if len(plays) == 0 {
		plays = []function.Replica{{}}
	}
	s := &stage{start: time.Now()}
	for i, p := range plays {
		r := &replica{index: i, plays: p, counted: map[string]int{}}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.addr = l.Addr().String()
		s.replicas = append(s.replicas, r)
		if p.Down {
			l.Close()
			continue
		}
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		protocols.SetUnencryptedHTTP2(true)
		server := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { s.serve(r, w, q) })}
		if p.TLS != nil {
			protocols.SetHTTP2(true)
			config, err := p.TLS()
			if err != nil {
				t.Fatal(err)
			}
			config = config.Clone()
			config.NextProtos = []string{"h2", "http/1.1"}
			server.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are tried on purpose
			l = tls.NewListener(l, config)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = server.Serve(l) // until Close
		}()
		t.Cleanup(func() {
			server.Close()
			<-done
		})
	}
	return s
}

func (s *stage) addrs() (all []string) {
	for _, r := range s.replicas {
		all = append(all, r.addr)
	}
	return all
}

// await returns when the address takes connections: a proxy acknowledges a
// listener just before it does. No request is sent, which a function would count.
func (s *stage) await(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("nothing listens on %s: %v", addr, err)
		}
	}
}

// begin is when the clock of the evidence starts.
func (s *stage) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start = time.Now()
	for i := range s.deliveries { // what came before: health checks
		s.deliveries[i].At = 0
	}
}

// next is the answer to a request, by how many came before it.
func (r *replica) next(path string) function.Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	answers, special := r.plays.Paths[path]
	if !special {
		path, answers = "", r.plays.Answers
	}
	k := r.counted[path]
	r.counted[path]++
	if len(answers) == 0 {
		return function.Answer{}
	}
	return answers[min(k, len(answers)-1)]
}

func (s *stage) serving(more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += more
}

// idle returns when no request of the trial is being served. Those that a
// proxy makes by itself never end.
func (s *stage) idle() {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		s.mu.Lock()
		n := s.open
		s.mu.Unlock()
		if n == 0 {
			return
		}
	}
}

func (s *stage) serve(r *replica, w http.ResponseWriter, q *http.Request) {
	if q.Header.Get(function.TrialHeader) != "" {
		s.serving(1)
		defer s.serving(-1)
	}
	body, bodyErr := io.ReadAll(q.Body)
	d := function.Delivery{Of: -1, Replica: r.index, Message: function.Message{
		Method: q.Method, Target: q.RequestURI, Host: q.Host, Header: q.Header, Body: body}}
	if q.TLS != nil {
		for _, c := range q.TLS.PeerCertificates[:min(1, len(q.TLS.PeerCertificates))] {
			d.Message.Identities = urisOf(c)
		}
	}
	if n, err := strconv.Atoi(q.Header.Get(function.TrialHeader)); err == nil {
		d.Of = n
	}
	s.mu.Lock()
	d.At = time.Since(s.start)
	i := len(s.deliveries)
	s.deliveries = append(s.deliveries, d)
	s.mu.Unlock()
	answer := r.next(q.URL.Path)
	cancelled := bodyErr != nil
	if answer.Delay > 0 && !cancelled {
		select {
		case <-time.After(answer.Delay):
		case <-q.Context().Done():
			cancelled = true
		}
	}
	if cancelled {
		s.mu.Lock()
		s.deliveries[i].Cancelled = time.Since(s.start)
		s.mu.Unlock()
		return
	}
	status := answer.Status
	if status == 0 {
		status = http.StatusOK
	}
	if answer.Reset {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	s.deliveries[i].Answered = status
	s.mu.Unlock()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.Header().Set(replicaHeader, strconv.Itoa(r.index))
	w.WriteHeader(status)
	if answer.Pause == 0 {
		_, _ = io.WriteString(w, answer.Body) // a client that is gone shows elsewhere
		return
	}
	if !trickle(w, q, answer) {
		s.mu.Lock()
		s.deliveries[i].Cancelled = time.Since(s.start)
		s.mu.Unlock()
	}
}

// trickle sends the body byte for byte, and reports whether somebody waited for it.
func trickle(w http.ResponseWriter, q *http.Request, answer function.Answer) bool {
	tick := time.NewTicker(answer.Pause)
	defer tick.Stop()
	for i := range len(answer.Body) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			return false
		}
		select {
		case <-tick.C:
		case <-q.Context().Done():
			return false
		}
		if _, err := io.WriteString(w, answer.Body[i:i+1]); err != nil {
			return false
		}
	}
	return true
}

// replicaHeader says in a response which replica made it.
const replicaHeader = "x-tare-replica"

// alter gives the instance other parameters when it is told to.
func (s *stage) alter(t *testing.T, params string, when chan struct{}) {
	<-when
	c := function.Change{Params: params, Asked: time.Since(s.start)}
	if s.change == nil {
		t.Errorf("other parameters cannot be given here: the trial is for proxies only")
		return
	}
	if err := s.change(params); err != nil {
		t.Errorf("give other parameters: %v", err)
	}
	c.Taken = time.Since(s.start)
	s.changes = append(s.changes, c)
}

// perform sends the requests, and returns what the client saw, in their order.
func (s *stage) perform(t *testing.T, addrs []string, requests []function.Request) []function.Observation {
	t.Helper()
	clients := map[string]*http.Client{} // by the address that they connect from
	for _, q := range requests {
		if clients[q.From] == nil {
			clients[q.From] = newClient(q.From)
			defer clients[q.From].CloseIdleConnections()
		}
	}
	var all []function.Observation
	for _, q := range requests {
		if q.After > 0 {
			<-time.After(q.After) // the trial's own time, part of what is tried
		}
		times, abreast := max(q.Times, 1), max(q.AtOnce, 1)
		first := len(all)
		all = append(all, make([]function.Observation, times*abreast)...)
		client, scheme, names := clients[q.From], "http://", []string(nil)
		if q.TLS != nil {
			client, names = shaking(t, q)
			scheme = "https://"
			defer client.CloseIdleConnections()
		}
		var wg sync.WaitGroup
		half := make(chan struct{})
		if q.Change != "" {
			wg.Go(func() { s.alter(t, q.Change, half) })
		}
		for lane := range abreast {
			wg.Go(func() {
				for k := range times {
					if lane == 0 && k == times/2 {
						close(half)
					}
					i := first + k*abreast + lane
					all[i] = s.send(client, scheme+addrs[q.Proxy], q, i)
					if all[i].Request != nil {
						all[i].Request.Identities = names
					}
				}
			})
		}
		wg.Wait()
	}
	return all
}

// newClient connects from an address of this machine, the usual one if empty.
func newClient(from string) *http.Client {
	dialer := &net.Dialer{}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	return &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func urisOf(c *x509.Certificate) (all []string) {
	for _, u := range c.URIs {
		all = append(all, u.String())
	}
	return all
}

// shaking is a client that speaks TLS as the request says, and the names that
// its certificate has.
func shaking(t *testing.T, q function.Request) (client *http.Client, names []string) {
	t.Helper()
	config, err := q.TLS()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Certificates {
		names = append(names, urisOf(c.Leaf)...)
	}
	client = newClient(q.From)
	client.Transport.(*http.Transport).TLSClientConfig = config
	return client, names
}

func (s *stage) send(client *http.Client, base string, q function.Request, i int) (o function.Observation) {
	ctx := context.Background()
	if q.Abandon > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.Abandon)
		defer cancel()
	}
	method, target := q.Method, q.Target
	if method == "" {
		method = http.MethodGet
	}
	if target == "" {
		target = "/"
	}
	path, _, _ := strings.Cut(target, "?")
	o = function.Observation{Path: path, Caller: q.Caller}
	var content io.Reader = strings.NewReader(q.Body)
	if q.Chunked {
		content = struct{ io.Reader }{content}
	}
	r, err := http.NewRequestWithContext(ctx, method, base+target, content)
	if err != nil {
		return o
	}
	for name, values := range q.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	for name, value := range map[string]string{function.UserHeader: q.Caller.User, function.SubscriptionHeader: q.Caller.Subscription} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	r.Header.Set(function.TrialHeader, strconv.Itoa(i))
	if q.Host != "" {
		r.Host = q.Host
	}
	o.Request = &function.Message{Method: method, Target: target, Host: r.Host, Header: r.Header.Clone(), Body: []byte(q.Body), From: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	if q.From != "" {
		o.Request.From = netip.MustParseAddr(q.From)
	}
	o.Earliest = time.Since(s.start)
	resp, err := client.Do(r)
	if err == nil {
		body, readErr := io.ReadAll(resp.Body)
		resp.Body.Close()
		if readErr == nil {
			o.Response = &function.Message{Status: resp.StatusCode, Header: resp.Header, Body: body}
			o.Outcome = outcome(resp.StatusCode)
		}
	}
	o.Latest = time.Since(s.start)
	return o
}

// settle waits until so many deliveries have come, or a second is over.
func (s *stage) settle(deliveries int) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Second); ; {
		s.mu.Lock()
		n := len(s.deliveries)
		s.mu.Unlock()
		if n >= deliveries {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}

// evidence waits for the replicas to have done with every request.
func (s *stage) evidence(seen []function.Observation, trial *function.Trial) function.Evidence {
	s.settle(trial.Await)
	s.idle()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := function.Evidence{Observations: seen, Served: -1, Trial: trial, Changes: s.changes}
	e.Deliveries = append(e.Deliveries, s.deliveries...)
	return e
}
