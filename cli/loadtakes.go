package cli

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/load"
)

// taken is what a flag takes, in words; ok says whether it was given that.
type taken struct {
	flag, words string
	ok          func() bool
}

// explain makes errors about what cannot be read name what the flag takes.
func explain(c *cobra.Command, flags []taken) {
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		var unread interface{ GetValue() string } // of pflag, whose words are those of strconv
		if errors.As(err, &unread) {
			for _, t := range flags {
				if strings.Contains(err.Error(), fmt.Sprintf("for %q flag", "--"+t.flag)) {
					return t.refuse(unread.GetValue())
				}
			}
		}
		return c.Root().FlagErrorFunc()(c, err)
	})
}

func (t taken) refuse(value string) error {
	return inputf("--%s %s: it takes %s", t.flag, value, t.words)
}

// within refuses what the flags that were given do not take.
func within(c *cobra.Command, flags []taken) error {
	for _, t := range flags {
		if f := c.Flags().Lookup(t.flag); f.Changed && !t.ok() {
			return t.refuse(f.Value.String())
		}
	}
	return nil
}

func always() bool { return true }

// between says whether a whole number is one of a range.
func between(n *int, least, most int) func() bool {
	return func() bool { return *n >= least && *n <= most }
}

// What several commands take.

func aRate(rate *float64) taken {
	return taken{"rate", fmt.Sprintf("requests per second: a number above 0 and up to %d, such as 2000", int(load.MaxRate)), func() bool { return *rate > 0 && *rate <= load.MaxRate }}
}

func someConnections(n *int) taken {
	return taken{"connections", "a whole number from 1 on, such as 16", between(n, 1, math.MaxInt)}
}

func aSeed() taken { return taken{"seed", "a whole number, such as a report prints", always} }

// taken are the flags that take no text.
func (r *loadCommand) taken() []taken {
	l, f := &r.load, &r.flags
	return []taken{
		aRate(&l.Rate),
		{"duration", fmt.Sprintf("a time above 0 and up to %.0fh, with its unit, such as 10s", load.MaxLength.Hours()), func() bool { return l.Duration > 0 && l.Duration <= load.MaxLength }},
		{"requests", fmt.Sprintf("a whole number from 1 to %d", math.MaxInt32), between(&l.Each, 1, math.MaxInt32)},
		{"timeout", "a time above 0 with its unit, such as 2s", func() bool { return l.Timeout > 0 }},
		aSeed(),
		{"arrivals", fmt.Sprintf("%s or %s", load.Poisson, load.Uniform), func() bool { return f.arrivals == string(load.Poisson) || f.arrivals == string(load.Uniform) }},
		someConnections(&f.connections),
		{"max-connections", "a whole number, no less than --connections", func() bool { return f.maxConnections >= f.connections }},
		{"streams", fmt.Sprintf("a whole number from 1 to %d", load.MaxStreams), between(&f.streams, 1, load.MaxStreams)},
		{"churn", fmt.Sprintf("connections per second: a number from 0 to %d", int(load.MaxChurn)), func() bool { return f.churn >= 0 && f.churn <= load.MaxChurn }},
		{"messages", fmt.Sprintf("a whole number from 1 to %d", load.MaxMessages), between(&f.messages, 1, load.MaxMessages)},
		{"users", fmt.Sprintf("a whole number from 1 to %d", load.MaxCrowd), between(&f.users, 1, load.MaxCrowd)},
		{"skew", "a number from 0, all users alike, to 10", func() bool { return f.skew >= 0 && f.skew <= 10 }},
		{"workers", "a whole number from 1 on", between(&f.workers, 1, math.MaxInt)},
		{"listen", "an address with its port, such as 10.0.0.1:7070", func() bool { return hasPort(f.listen) }},
		{"reach", "an address with its port, such as 10.0.0.1:7070", func() bool { return hasPort(f.reach) }},
	}
}

func hasPort(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	return err == nil && port != ""
}

// taken are the flags that take no text.
func (r *loadCompare) taken() []taken {
	return []taken{
		aRate(&r.order.Rate),
		someConnections(&r.order.Target.Connections),
		{"duration", "whole seconds from 1 on, with their unit, such as 10s: not every generator knows other times", func() bool {
			return r.order.Duration >= time.Second && r.order.Duration <= load.MaxLength && r.order.Duration%time.Second == 0
		}},
		{"rounds", "a whole number from 1 on", between(&r.rounds, 1, math.MaxInt32)},
		aSeed(),
	}
}
