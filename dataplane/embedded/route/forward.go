package route

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Forward is what is done with a request that goes to a cluster.
type Forward struct {
	// Cluster is its name, or ClusterHeader the header that has the name.
	Cluster, ClusterHeader string
	// NotFound is the status of the answer where that cluster does not exist.
	NotFound int
	Times    Times
	Retry    *Retry // nil: never
	Mirrors  []Mirror
	Hash     []Hash

	path rewriting
	host hosting
}

// Times bound how long a request may take.
type Times struct {
	// Timeout is from the end of the request to the end of the response;
	// 0: any time. Set says that the configuration has it, and not Envoy's
	// default of 15 s.
	Timeout time.Duration
	Set     bool
	Idle    *time.Duration // without a byte; 0: any time; nil: as the listener says
	// Stream is from the beginning of the request to the end of the response,
	// 0: any time.
	Stream time.Duration
	// GRPC: the header grpc-timeout takes the place of Stream, cut to GRPCMost
	// (0: not cut) and made shorter by GRPCOffset.
	GRPC                 bool
	GRPCMost, GRPCOffset time.Duration
	// Caller: grpc-timeout takes the place of Timeout; nil: it does not.
	Caller *Caller
}

// DefaultTimeout is Envoy's.
const DefaultTimeout = 15 * time.Second

// Mirror is a cluster that gets copies of requests.
type Mirror struct {
	Cluster string
	Share   Fraction
	AsIs    bool // the host is not given the suffix -shadow
}

// Fraction is a share of requests.
type Fraction struct{ Part, Of uint32 }

// Takes draws by a random number.
func (f Fraction) Takes(random uint64) bool { return random%uint64(f.Of) < uint64(f.Part) }

func newForward(a *routev3.RouteAction) (f Forward, err error) {
	switch c := a.GetClusterSpecifier().(type) {
	case *routev3.RouteAction_Cluster:
		if f.Cluster = c.Cluster; f.Cluster == "" {
			return f, errors.New("field cluster: is required")
		}
	case *routev3.RouteAction_ClusterHeader:
		if f.ClusterHeader = strings.ToLower(c.ClusterHeader); f.ClusterHeader == "" {
			return f, errors.New("field cluster_header: is required")
		}
	case *routev3.RouteAction_WeightedClusters:
	default:
		return f, errors.New("field cluster: is required, or cluster_header, or weighted_clusters")
	}
	f.NotFound = map[routev3.RouteAction_ClusterNotFoundResponseCode]int{
		routev3.RouteAction_SERVICE_UNAVAILABLE: 503, routev3.RouteAction_NOT_FOUND: 404, routev3.RouteAction_INTERNAL_SERVER_ERROR: 500,
	}[a.GetClusterNotFoundResponseCode()]
	if f.Times, err = newTimes(a); err != nil {
		return f, err
	}
	if f.path, err = newRewriting(a.GetPrefixRewrite(), a.GetRegexRewrite()); err != nil {
		return f, err
	}
	if f.host, err = newHosting(a); err != nil {
		return f, err
	}
	if f.Hash, err = newHashes(a.GetHashPolicy()); err != nil {
		return f, err
	}
	return f, nil
}

func newTimes(a *routev3.RouteAction) (t Times, err error) {
	t.Timeout = DefaultTimeout
	if a.GetTimeout() != nil {
		t.Set = true
		if t.Timeout, err = duration("timeout", a.GetTimeout()); err != nil {
			return t, err
		}
	}
	if a.GetIdleTimeout() != nil {
		d, err := duration("idle_timeout", a.GetIdleTimeout())
		if err != nil {
			return t, err
		}
		t.Idle = &d
	}
	if t.Caller, err = newCaller(a); err != nil {
		return t, err
	}
	m := a.GetMaxStreamDuration()
	if t.Stream, err = duration("max_stream_duration.max_stream_duration", m.GetMaxStreamDuration()); err != nil {
		return t, err
	}
	t.GRPC = m.GetGrpcTimeoutHeaderMax() != nil
	if t.GRPCMost, err = duration("max_stream_duration.grpc_timeout_header_max", m.GetGrpcTimeoutHeaderMax()); err != nil {
		return t, err
	}
	t.GRPCOffset, err = duration("max_stream_duration.grpc_timeout_header_offset", m.GetGrpcTimeoutHeaderOffset())
	return t, err
}

// Whole is how long the whole exchange may take, with the grpc-timeout that the
// request has said, if any; false: any time.
func (t *Times) Whole(said []byte, there bool) (time.Duration, bool) {
	if t.GRPC && there {
		if d, ok := GRPCTimeout(said); ok {
			if t.GRPCMost > 0 {
				d = min(d, t.GRPCMost)
			}
			if d > t.GRPCOffset {
				d -= t.GRPCOffset
			}
			return d, true
		}
	}
	return t.Stream, t.Stream > 0
}

// GRPCTimeout reads a grpc-timeout: at most eight digits and a unit.
func GRPCTimeout(b []byte) (time.Duration, bool) {
	units := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}
	n := len(b) - 1
	if n < 1 || n > 8 {
		return 0, false
	}
	unit, ok := units[b[n]]
	var count time.Duration
	for _, c := range b[:n] {
		if c < '0' || c > '9' {
			return 0, false
		}
		count = count*10 + time.Duration(c-'0')
	}
	if ok && unit == time.Hour {
		count = min(count, 1<<20) // which is a century
	}
	return count * unit, ok
}

func duration(field string, d *durationpb.Duration) (time.Duration, error) {
	if d == nil {
		return 0, nil
	}
	if err := d.CheckValid(); err != nil {
		return 0, fmt.Errorf("field %s: %w", field, err)
	}
	if d.AsDuration() < 0 {
		return 0, fmt.Errorf("field %s: %v is less than nothing", field, d.AsDuration())
	}
	return d.AsDuration(), nil
}

func newMirrors(policies []*routev3.RouteAction_RequestMirrorPolicy) (all []Mirror, err error) {
	for i, p := range policies {
		if p.GetCluster() == "" {
			return nil, fmt.Errorf("field request_mirror_policies[%d].cluster: is required", i)
		}
		share := Fraction{1, 1}
		if f := p.GetRuntimeFraction(); f != nil {
			if share, err = newFraction(f.GetDefaultValue()); err != nil {
				return nil, fmt.Errorf("field request_mirror_policies[%d].runtime_fraction: %w", i, err)
			}
		}
		all = append(all, Mirror{p.GetCluster(), share, p.GetDisableShadowHostSuffixAppend()})
	}
	return all, nil
}

func newFraction(p *typev3.FractionalPercent) (Fraction, error) {
	of := map[typev3.FractionalPercent_DenominatorType]uint32{
		typev3.FractionalPercent_HUNDRED: 100, typev3.FractionalPercent_TEN_THOUSAND: 10_000, typev3.FractionalPercent_MILLION: 1_000_000,
	}[p.GetDenominator()]
	if p == nil || of == 0 {
		return Fraction{}, errors.New("field default_value: is required, with a denominator that is known")
	}
	return Fraction{p.GetNumerator(), of}, nil
}

// rewriting is what is done to a path.
type rewriting struct {
	prefix string // put where the route's own path stood; empty: none
	regex  *rewriter
	whole  string // put in the place of all of it; redirects only
}

func newRewriting(prefix string, m *matcherv3.RegexMatchAndSubstitute) (r rewriting, err error) {
	if prefix != "" && m != nil {
		return r, errors.New("field prefix_rewrite: and regex_rewrite are both set")
	}
	if strings.ContainsAny(prefix, "\r\n\x00 #") {
		return r, errors.New("field prefix_rewrite: holds a character that a path cannot have")
	}
	r.prefix = prefix
	if r.regex, err = newRewriter(m); err != nil {
		return r, fmt.Errorf("field regex_rewrite: %w", err)
	}
	return r, nil
}

func (r *rewriting) none() bool { return r.prefix == "" && r.regex == nil && r.whole == "" }

// append appends what becomes of a path with its query, found by the match.
func (r *rewriting) append(to, target []byte, m *match) []byte {
	path, query := target, []byte(nil)
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i:]
	}
	switch {
	case r.whole != "":
		to = append(to, r.whole...)
		if strings.Contains(r.whole, "?") {
			return to
		}
	case r.prefix != "":
		to = append(append(to, r.prefix...), path[m.covered(path):]...)
	default:
		to = r.regex.append(to, path)
	}
	return append(to, query...)
}

// hosting is what is done to the host.
type hosting struct {
	literal []byte
	header  string
	regex   *rewriter // of the path
	keep    bool      // the old one goes into x-forwarded-host
}

func newHosting(a *routev3.RouteAction) (h hosting, err error) {
	h.keep = a.GetAppendXForwardedHost()
	switch s := a.GetHostRewriteSpecifier().(type) {
	case nil:
	case *routev3.RouteAction_HostRewriteLiteral:
		h.literal = []byte(s.HostRewriteLiteral)
	case *routev3.RouteAction_HostRewriteHeader:
		h.header = strings.ToLower(s.HostRewriteHeader)
	case *routev3.RouteAction_HostRewritePathRegex:
		if h.regex, err = newRewriter(s.HostRewritePathRegex); err != nil {
			return h, fmt.Errorf("field host_rewrite_path_regex: %w", err)
		}
	default:
		return h, fmt.Errorf("field auto_host_rewrite: is not supported, since endpoints have no names")
	}
	return h, nil
}

func (h *hosting) none() bool { return len(h.literal) == 0 && h.header == "" && h.regex == nil }

// name is the host that there shall be; nil: the one that there is.
func (h *hosting) name(x Request) []byte {
	switch {
	case len(h.literal) > 0:
		return h.literal
	case h.header != "":
		v, _ := pseudo(x, h.header, 0)
		return v
	case h.regex != nil:
		path := x.Path()
		if i := bytes.IndexByte(path, '?'); i >= 0 {
			path = path[:i]
		}
		return h.regex.append(nil, path)
	}
	return nil
}

// shadow is what Envoy puts behind the names of hosts in copies of requests.
const shadow = "-shadow"

var port = regexp.MustCompile(`:[0-9]+$`)

// AppendShadow appends the host that a copy of a request has.
func AppendShadow(to, host []byte) []byte {
	name, rest := host, []byte(nil)
	if at := port.FindIndex(host); at != nil {
		name, rest = host[:at[0]], host[at[0]:]
	}
	return append(append(append(to, name...), shadow...), rest...)
}
