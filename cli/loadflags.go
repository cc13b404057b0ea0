package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
)

// loadFlags are what tare load is told beside the load itself.
type loadFlags struct {
	outputs loadOutputs
	fail    string
	allowed []string
	noFloor bool

	arrivals, profile, trace, think string

	connections, maxConnections, streams int
	newConnections                       bool
	churn                                float64

	http2, insecure               bool
	cacert, cert, key, serverName string
	method, body, bodyFile, size  string
	message, descriptors          string
	messages                      int
	headers, cookies              []string
	template                      bool
	mix                           string
	users                         int
	skew                          float64

	workers                         int
	listen, reach, invitation, lost string
}

func (r *loadCommand) addFlags() {
	f, flags := r.c.Flags(), &r.flags
	f.Float64Var(&r.load.Rate, "rate", 1000, "requests per second")
	f.BoolVar(&r.load.Closed, "closed", false, "a closed loop: no rate, each connection waits for its answer")
	f.DurationVar(&r.load.Duration, "duration", 10*time.Second, "how long")
	f.IntVar(&r.load.Each, "requests", 0, "exactly that many requests, however long it takes")
	f.DurationVar(&r.load.Timeout, "timeout", 0, "after which a request is given up, from its intended time (default 5s)")
	f.Uint64Var(&r.load.Seed, "seed", 0, "seed of the schedule (default drawn, and printed)")
	f.StringVar(&flags.arrivals, "arrivals", string(load.Poisson), "how requests are spaced: poisson or uniform")
	f.StringVar(&flags.profile, "profile", "", "the rate over time as `stages`: '100/s..2000/s for 30s, 2000/s for 1m', or bursts with '; repeat'")
	f.StringVar(&flags.trace, "trace", "", "play back the arrivals of a `file`: a trace, or what --samples wrote")
	f.StringVar(&flags.think, "think", "", "`pause` of a closed loop between an answer and the next request: 10ms, 'exponential 10ms'")

	f.IntVar(&flags.connections, "connections", load.DefaultConnections, "connections kept open")
	f.IntVar(&flags.maxConnections, "max-connections", load.DefaultMaxConnections, "how far the pool may grow when all are busy")
	f.IntVar(&flags.streams, "streams", 1, "requests under way on one connection of HTTP/2 or gRPC")
	f.BoolVar(&flags.newConnections, "new-connections", false, "a new connection for each request; opening it counts")
	f.Float64Var(&flags.churn, "churn", 0, "connections closed and opened again per second")

	f.BoolVar(&flags.http2, "http2", false, "HTTP/2: in the clear by prior knowledge, or over TLS")
	f.StringVar(&flags.cacert, "cacert", "", "PEM `file` of the authorities that may sign the server's certificate (default the system's)")
	f.StringVar(&flags.cert, "cert", "", "PEM `file` of the client's certificate")
	f.StringVar(&flags.key, "key", "", "PEM `file` of its key")
	f.StringVar(&flags.serverName, "server-name", "", "`name` that the server's certificate must have (default the URL's host)")
	f.BoolVar(&flags.insecure, "insecure", false, "do not verify the server's certificate")

	f.StringVar(&flags.method, "method", "", "method (default GET, with a body POST)")
	f.StringArrayVar(&flags.headers, "header", nil, "`header` to send, as 'Name: value'; may be repeated")
	f.StringArrayVar(&flags.cookies, "cookie", nil, "`cookie` to send, as name=value; may be repeated")
	f.StringVar(&flags.body, "body", "", "`text` that each request carries")
	f.StringVar(&flags.bodyFile, "body-file", "", "`file` whose content each request carries; of gRPC the message")
	f.StringVar(&flags.message, "message", "", "a gRPC call's message as `JSON`, or @file; its type is asked of the server by reflection")
	f.StringVar(&flags.descriptors, "descriptors", "", "`file` with the message's type instead (protoc --include_imports --descriptor_set_out)")
	f.IntVar(&flags.messages, "messages", 0, "messages that a gRPC call sends, each of them the body (default 1)")
	f.StringVar(&flags.size, "size", "", "`size` of a body to make up: 1KiB, 'uniform 100..2KiB', 'lognormal 1KiB 1.5'")
	f.BoolVar(&flags.template, "template", false, "path, headers and body are templates: {n} {user} {random:1..9} {hex:8} {uuid} {pick:a|b}")
	f.StringVar(&flags.mix, "mix", "", "`file` of several kinds of request with weights; see docs/formats/load.md")
	f.IntVar(&flags.users, "users", 1, "users who send the requests, for {user} in templates")
	f.Float64Var(&flags.skew, "skew", 0, "how unequally users send: 0 all alike, 1 as words are used (Zipf)")

	f.IntVar(&flags.workers, "workers", 0, "offer the load from that many tare worker, which join by --invitation")
	f.StringVar(&flags.listen, "listen", "", "`address` that workers join at, host:port")
	f.StringVar(&flags.reach, "reach", "", "`address` that workers reach it by, where that is another")
	f.StringVar(&flags.invitation, "invitation", "", "`file` to write that lets workers join; a secret")
	f.StringVar(&flags.lost, "lost", catalog.Lost()[0], "when a worker is lost in mid-load: "+strings.Join(catalog.Lost(), " or "))

	f.StringVar(&flags.fail, "fail", "", "`conditions` that must hold, such as 'p99<5ms,errors<0.1%' (default "+loadreport.DefaultConditions+")")
	f.BoolVar(&flags.noFloor, "no-floor", false, "do not measure the engine against its own echo")
	f.StringArrayVar(&flags.allowed, "allow-target", nil, "a `host` beyond loopback and private networks that may be loaded, exactly as the URL names it")
	flags.outputs.add(r.c)
	explain(r.c, r.taken())
	for flag, complete := range map[string]completer{
		"arrivals": fixed(string(load.Poisson), string(load.Uniform)), "samples": files("samples"), "hgrm": files("hgrm"),
		"cacert": files("pem", "crt"), "cert": files("pem", "crt"), "key": files("pem", "key"), "fail": nothing, "profile": nothing, "lost": fixed(catalog.Lost()...),
	} {
		_ = r.c.RegisterFlagCompletionFunc(flag, complete) // the flag is there
	}
}

// onlyOne refuses flags that exclude each other.
func onlyOne(c *cobra.Command, names ...string) error {
	first := ""
	for _, n := range names {
		switch {
		case !c.Flags().Changed(n):
		case first != "":
			return inputf("--%s and --%s exclude each other: give one", first, n)
		default:
			first = n
		}
	}
	return nil
}
