package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"

	"github.com/taremesh/tare/internal/process"
)

// sidecar is an Envoy that Consul configures.
type sidecar struct {
	*process.Process
	admin  string // where its own administration listens
	public string // where it takes mutual TLS from other sidecars
}

// start starts the Envoy of a sidecar that is registered under the id.
func (s *sidecar) start(ctx context.Context, a *agent, envoy, id string, workers int, files []*os.File) error {
	boot, err := a.bootstrap(ctx, id, s.admin)
	if err != nil {
		return err
	}
	s.Process, err = a.launcher.Start(process.Command{
		Name: "envoy " + id,
		Exe:  envoy,
		Args: []string{
			"--config-yaml", boot, "--concurrency", strconv.Itoa(max(workers, 1)),
			"--disable-hot-restart", "--drain-time-s", "1", "--drain-strategy", "immediate", "--log-level", "error",
		},
		Input: []byte{},
		Files: files,
	})
	return err
}

// listeners is the part of an Envoy's configuration dump that is read.
type listeners struct {
	Configs []struct {
		Name        string `json:"name"`
		ActiveState struct {
			Listener listener `json:"listener"`
		} `json:"active_state"`
		ErrorState struct {
			Details string `json:"details"`
		} `json:"error_state"`
	} `json:"configs"`
}

type listener struct {
	Direction    string `json:"traffic_direction"`
	FilterChains []struct {
		Filters []struct {
			TypedConfig struct {
				HTTPFilters []struct {
					Name string `json:"name"`
				} `json:"http_filters"`
			} `json:"typed_config"`
		} `json:"filters"`
	} `json:"filter_chains"`
}

// errRefused: an Envoy does not take what Consul tells it.
var errRefused = errors.New("it refused what Consul told it")

// dumpSize bounds what is read of an Envoy's configuration.
const dumpSize = 64 << 20

// listeners asks the Envoy for the listeners that are in force.
func (s *sidecar) listeners(ctx context.Context) (*listeners, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+"/config_dump?resource=dynamic_listeners", nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its configuration: %w", s.Name, err)
	}
	defer res.Body.Close()
	ls := &listeners{}
	if err := json.NewDecoder(io.LimitReader(res.Body, dumpSize)).Decode(ls); err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", s.Name, err)
	}
	for _, c := range ls.Configs {
		if c.ErrorState.Details != "" {
			return nil, fmt.Errorf("%s: %w: listener %s: %s", s.Name, errRefused, c.Name, c.ErrorState.Details)
		}
	}
	return ls, nil
}

// carries returns nil once a listener of the direction is in force and has
// these of the filters that Consul places, in this order.
func (s *sidecar) carries(ctx context.Context, direction string, chain []string) error {
	ls, err := s.listeners(ctx)
	if err != nil {
		return err
	}
	for _, c := range ls.Configs {
		l := c.ActiveState.Listener
		if l.Direction != direction {
			continue
		}
		if got := l.chain(); !slices.Equal(got, chain) {
			return fmt.Errorf("%s has the filters %v, not yet %v", s.Name, got, chain)
		}
		return nil
	}
	return fmt.Errorf("%s has no %s listener yet", s.Name, direction)
}

// The directions of listeners.
const (
	inbound  = "INBOUND"
	outbound = "OUTBOUND"
)

func (l listener) chain() []string {
	var names []string
	for _, c := range l.FilterChains {
		for _, f := range c.Filters {
			for _, h := range f.TypedConfig.HTTPFilters {
				if slices.Contains([]string{jwtFilter, rbacFilter, wasmFilter}, h.Name) {
					names = append(names, h.Name)
				}
			}
		}
	}
	return names
}
