package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	wasmfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/wasm/v3"
	wasmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/wasm/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane/proxywasm"
	"github.com/taremesh/tare/internal/protofield"
)

const wasmURL = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"

// wasmHonoured is what this plane does of the message.
var wasmHonoured = protofield.Honoured{
	"envoy.extensions.filters.http.wasm.v3.Wasm": {"config"},
	"envoy.extensions.wasm.v3.PluginConfig":      {"name", "root_id", "vm_config", "configuration"},
	"envoy.extensions.wasm.v3.VmConfig":          {"vm_id", "runtime", "code", "configuration"},
	"envoy.config.core.v3.AsyncDataSource":       {"local"},
	"envoy.config.core.v3.DataSource":            {"inline_bytes", "filename"},
	"google.protobuf.Any":                        {"type_url", "value"},
}

// runtimes are the names of engines that are taken to mean: compile it. There
// is one engine here.
var runtimes = []string{"envoy.wasm.runtime.v8", "envoy.wasm.runtime.wamr", "envoy.wasm.runtime.wasmtime"}

// load makes the plugin of a message.
func (f *filters) load(config *anypb.Any) (*proxywasm.Plugin, error) {
	var m wasmfilterv3.Wasm
	if err := config.UnmarshalTo(&m); err != nil {
		return nil, fmt.Errorf("read %s: %w", config.GetTypeUrl(), err)
	}
	if err := protofield.Check(&m, wasmHonoured); err != nil {
		return nil, err
	}
	c, err := pluginConfig(m.GetConfig())
	if err != nil {
		return nil, err
	}
	c.Shared, c.Call, c.Cluster = f.shared, f.proxy.call, f.proxy.knows
	c.Log = func(l proxywasm.Level, text string) {
		fmt.Fprintf(os.Stderr, "%s: %s: %s\n", c.Name, l, text)
	}
	return proxywasm.Load(context.Background(), c)
}

func pluginConfig(p *wasmv3.PluginConfig) (c proxywasm.Config, err error) {
	vm := p.GetVmConfig()
	if !slices.Contains(runtimes, vm.GetRuntime()) {
		return c, fmt.Errorf("field config.vm_config.runtime: %q is not supported (known: %s)", vm.GetRuntime(), strings.Join(runtimes, ", "))
	}
	c.Name, c.RootID, c.VMID = p.GetName(), p.GetRootId(), vm.GetVmId()
	if c.Configuration, err = text(p.GetConfiguration()); err != nil {
		return c, fmt.Errorf("field config.configuration: %w", err)
	}
	if c.VMConfiguration, err = text(vm.GetConfiguration()); err != nil {
		return c, fmt.Errorf("field config.vm_config.configuration: %w", err)
	}
	if c.Module, err = code(vm.GetCode().GetLocal()); err != nil {
		return c, fmt.Errorf("field config.vm_config.code: %w", err)
	}
	return c, nil
}

// code is the module, out of the message or out of a file.
func code(d *corev3.DataSource) ([]byte, error) {
	if name := d.GetFilename(); name != "" {
		return os.ReadFile(name)
	}
	if len(d.GetInlineBytes()) == 0 {
		return nil, errors.New("local.inline_bytes or local.filename is required")
	}
	return d.GetInlineBytes(), nil
}

// text is a configuration as the module gets it: the string or the bytes of a
// wrapper, as Envoy does; nothing when there is none.
func text(a *anypb.Any) ([]byte, error) {
	if a == nil {
		return nil, nil
	}
	m, err := a.UnmarshalNew()
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *wrapperspb.StringValue:
		return []byte(m.GetValue()), nil
	case *wrapperspb.BytesValue:
		return m.GetValue(), nil
	}
	return nil, fmt.Errorf("%s is not supported (known: google.protobuf.StringValue, BytesValue)", a.GetTypeUrl())
}
