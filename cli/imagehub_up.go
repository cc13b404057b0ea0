package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/named"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// hubUp is Image Hub as a whole: the API, the proxy before it, the web front end.
type hubUp struct {
	plane, form string
	offMesh     bool
	api         catalog.ImageHubOptions
	web         catalog.ImageHubWebOptions
	out         io.Writer
}

// noForm is for --form: nothing enforces the subscriptions.
const noForm = "none"

func newImageHubUp(s State) *cobra.Command {
	u := hubUp{api: catalog.DefaultImageHub(), web: catalog.DefaultImageHubWeb()}
	u.web.Listen = "127.0.0.1:0"
	c := &cobra.Command{
		Use:   "up",
		Short: "Run the whole application: API, proxy, web front end",
		Long: `Run Image Hub as a whole, on loopback, until Ctrl-C: the API, before it a proxy
of a data plane that checks tokens and enforces the subscriptions, and the web
front end, which calls the API through that proxy. Off the mesh there is no
proxy. Nothing is left behind, however it ends.`,
		Example: `  tare imagehub up
  tare imagehub up --dataplane envoy --form native
  tare imagehub up --off-mesh --form library --web 127.0.0.1:8081`,
		Args: exactly(0, "no arguments, only flags"),
		RunE: func(c *cobra.Command, _ []string) error {
			if u.offMesh && c.Flags().Changed("dataplane") {
				return inputf("--dataplane cannot go with --off-mesh: off the mesh there is no proxy")
			}
			if u.offMesh && !c.Flags().Changed("form") {
				u.form = string(study.FormLibrary)
			}
			if err := u.web.Check(); err != nil {
				return input(err)
			}
			u.out = c.OutOrStdout()
			return u.run(c.Context(), s.Exe)
		},
	}
	c.Flags().StringVar(&u.plane, "dataplane", "embedded", "data plane of the proxy: embedded or envoy")
	c.Flags().BoolVar(&u.offMesh, "off-mesh", false, "no proxy: the web front end calls the API itself")
	c.Flags().StringVar(&u.form, "form", string(study.FormNative), "form of the rate limit, or none (off the mesh library is the default)")
	c.Flags().StringVar(&u.web.Listen, "web", u.web.Listen, "loopback address of the web front end, host:port (port 0: any free one)")
	c.Flags().StringVar(&u.api.DB, "db", u.api.DB, "SQLite file of the accounts, made when absent (default in memory)")
	c.Flags().StringVar(&u.api.KeyFile, "key", u.api.KeyFile, "file of the signing key, made when absent (default a key for this run)")
	c.Flags().DurationVar(&u.api.TokenLifetime, "token-lifetime", u.api.TokenLifetime, "how long a login is good for")
	return c
}

func (u *hubUp) run(ctx context.Context, exe string) (err error) {
	b, err := catalog.NewBench(exe)
	if err != nil {
		return err
	}
	defer b.Close()
	bed, t, err := u.topology(b)
	if err != nil {
		return input(err)
	}
	api, err := bed.Up(ctx, []testbed.Topology{t}, []int{0})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, api.Down()) }()
	front, err := u.front(api.Addr(0))
	if err != nil {
		return err
	}
	web, err := bed.Up(ctx, []testbed.Topology{front}, []int{0})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, web.Down()) }()
	example, err := signUpExample(ctx, api.Addr(0))
	if err != nil {
		return err
	}
	u.print(t, api.Addr(0), web.Addr(0), example)
	select {
	case <-ctx.Done():
		return nil // the one end that is meant
	case <-api.Died():
		return api.Err()
	case <-web.Died():
		return web.Err()
	}
}

// topology is the API with what stands before it, and where it shall stand,
// made as for a study: its names are looked up, and its parts placed, where an
// experiment's are.
func (u *hubUp) topology(b *catalog.Bench) (testbed.Testbed, testbed.Topology, error) {
	var none testbed.Topology
	w, err := catalog.ImageHubApplication(u.api)
	if err != nil {
		return nil, none, err
	}
	names := b.Catalog
	if names.Workloads, err = named.NewSet("workload", func(w workload.Workload) string { return w.Name }, w); err != nil {
		return nil, none, err
	}
	s, err := study.Parse("imagehub up", []byte(u.study(w.Name)))
	if err != nil {
		return nil, none, unplaced(err)
	}
	a, err := experiment.NewApparatus(&study.Plan{Study: *s}, names)
	if err != nil {
		return nil, none, unplaced(err)
	}
	t := a.Topologies[len(a.Topologies)-1]
	t.Name = "imagehub-api"
	// An address chosen here can be printed: a setup tells the proxy's only.
	t.Service.Listen, err = process.FreeAddr()
	return a.Testbed, t, err
}

// study is the ladder whose last step is what shall stand.
func (u *hubUp) study(workload string) string {
	text := fmt.Sprintf(`tare: study/1
name: up
dataplane: %q
workload: {name: %q}
function: {name: ratelimit}
load: {users: {count: 1, mix: [{subscription: Personal, share: 100%%, weight: 1}]}}
treatments:
  - {name: direct, control: direct}
`, u.plane, workload)
	last := "direct"
	if !u.offMesh {
		text += `  - {name: router, control: router, baseline: direct}
  - {name: token, control: token, baseline: router}
`
		last = "token"
	}
	if u.form != noForm {
		text += fmt.Sprintf("  - {name: limit, form: %q, baseline: %s}\n", u.form, last)
	}
	return text
}

// unplaced leaves the place in a study out of an error: there is no file.
func unplaced(err error) error {
	var at *study.PlaceError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// front is the web front end as a topology of its own.
func (u *hubUp) front(api string) (testbed.Topology, error) {
	u.web.API = "http://" + api
	w := catalog.ImageHubWebService(u.web)
	p, err := w.Prepare(nil)
	if err != nil {
		return testbed.Topology{}, err
	}
	config, err := w.Service(p, study.Params{})
	if err != nil {
		return testbed.Topology{}, err
	}
	return testbed.Topology{
		Name: w.Name, Workload: w,
		Service: workload.Config{Listen: u.web.Listen, Workers: 1, Service: config},
		Probe:   testbed.Request{Method: p.Method, Path: p.Path, Host: p.Host},
	}, nil
}

func (u *hubUp) print(t testbed.Topology, api, web string, example user) {
	way := "off the mesh"
	if t.Proxy != nil {
		way = "data plane " + t.DataPlane
	}
	limit := "nothing enforces the subscriptions"
	if u.form != noForm {
		limit = "rate limit in form " + u.form
	}
	fmt.Fprintf(u.out, "Image Hub is up: %s, %s\n", way, limit)
	fmt.Fprintf(u.out, "  web    http://%s/\n", web)
	if t.Proxy != nil {
		fmt.Fprintf(u.out, "  proxy  http://%s (the web front end's way to the API)\n", api)
	}
	fmt.Fprintf(u.out, "  API    http://%s (itself, past any proxy)\n", t.Service.Listen)
	fmt.Fprintf(u.out, "  user   %s\n", example)
	fmt.Fprintln(u.out, "Ctrl-C stops it.")
}

// user is one to log in as.
type user struct{ name, password string }

func (u user) String() string {
	if u.password == "" {
		return u.name + ", from an earlier run"
	}
	return fmt.Sprintf("%s, password %s, subscription Personal", u.name, u.password)
}

const exampleTime = 20 * time.Second // to sign up on a busy machine

// signUpExample signs up a user to begin with, the way that anyone does.
func signUpExample(ctx context.Context, addr string) (user, error) {
	u := user{name: "ada", password: rand.Text()[:12]}
	text, err := json.Marshal(map[string]string{"username": u.name, "password": u.password})
	if err != nil {
		return user{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, exampleTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/signup", bytes.NewReader(text))
	if err != nil {
		return user{}, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return user{}, fmt.Errorf("sign up an example user: %w", err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusCreated:
		return u, nil
	case http.StatusConflict:
		return user{name: u.name}, nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 200))
	return user{}, errors.Join(fmt.Errorf("sign up an example user: the API answered %s: %s", res.Status, body), err)
}
