package envoy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	dynmodfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/dynamic_modules/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/xds"
)

// ModulesVariable names the folder with the dynamic modules that "make dynmod"
// builds.
const ModulesVariable = "TARE_MODULES"

// searchVariable is where Envoy looks for them.
const searchVariable = "ENVOY_DYNAMIC_MODULES_SEARCH_PATH"

// cacheFolder is where "make dynmod" puts them, in the folder of the sources.
const cacheFolder = ".cache/modules"

// FindModules returns the folder with the dynamic modules: that in the
// variable, else the one that was built here or in a folder above. It need not
// be there.
func FindModules(getenv func(string) string) string {
	if dir := getenv(ModulesVariable); dir != "" {
		return dir
	}
	here, err := os.Getwd()
	for ; err == nil && here != filepath.Dir(here); here = filepath.Dir(here) {
		if dir := filepath.Join(here, cacheFolder); isFolder(dir) {
			return dir
		}
	}
	return cacheFolder
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// ModuleFile is the file of a module in such a folder.
func ModuleFile(dir, name string) string { return filepath.Join(dir, "lib"+name+".so") }

// instance is an Envoy that may load modules out of a folder.
type instance struct {
	*xds.Instance
	modules string
}

// Configure says of a module that is not built how it is.
func (i instance) Configure(ctx context.Context, p dataplane.Proxy) error {
	for _, f := range p.Filters {
		var m dynmodfilterv3.DynamicModuleFilter
		if !f.Config.MessageIs(&m) {
			continue
		}
		if err := f.Config.UnmarshalTo(&m); err != nil {
			return fmt.Errorf("read filter %s: %w", f.Name, err)
		}
		if _, err := os.Stat(ModuleFile(i.modules, m.GetDynamicModuleConfig().GetName())); err != nil {
			return fmt.Errorf("find the dynamic module of filter %s: %w: build it by make dynmod in the folder of tare's sources, and set %s to where it is",
				f.Name, err, ModulesVariable)
		}
	}
	return i.Instance.Configure(ctx, p)
}
