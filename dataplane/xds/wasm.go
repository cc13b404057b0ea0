package xds

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	wasmfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/wasm/v3"
	wasmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/wasm/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
)

// v8 is the engine that Envoy runs modules in. A plane with another engine
// takes it as "the one that compiles".
const v8 = "envoy.wasm.runtime.v8"

// WasmFilter is a filter that is a proxy-wasm module. The module travels
// inside the message, so that no file has to be where the proxy is. The name
// becomes the plugin's, its root id and the id of its VM.
func WasmFilter(name string, module, config []byte) (dataplane.Filter, error) {
	text, err := dataplane.Pack(wrapperspb.String(string(config)))
	if err != nil {
		return dataplane.Filter{}, err
	}
	m, err := dataplane.Pack(&wasmfilterv3.Wasm{Config: &wasmv3.PluginConfig{
		Name:          name,
		RootId:        name,
		Configuration: text,
		Vm: &wasmv3.PluginConfig_VmConfig{VmConfig: &wasmv3.VmConfig{
			VmId:    name,
			Runtime: v8,
			Code: &corev3.AsyncDataSource{Specifier: &corev3.AsyncDataSource_Local{Local: &corev3.DataSource{
				Specifier: &corev3.DataSource_InlineBytes{InlineBytes: module},
			}}},
		}},
	}})
	return dataplane.Filter{Name: "envoy.filters.http.wasm." + name, Config: m}, err
}

// WasmModule returns the module of a filter that WasmFilter made, with the
// name that it was given; nil for a filter of another kind.
func WasmModule(f dataplane.Filter) (name string, module []byte, err error) {
	m := &wasmfilterv3.Wasm{}
	if f.Config == nil || !f.Config.MessageIs(m) {
		return "", nil, nil
	}
	if err := f.Config.UnmarshalTo(m); err != nil {
		return "", nil, fmt.Errorf("read the module of filter %s: %w", f.Name, err)
	}
	return m.GetConfig().GetName(), m.GetConfig().GetVmConfig().GetCode().GetLocal().GetInlineBytes(), nil
}
