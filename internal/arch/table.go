package arch

// unread are folders that no rule looks into: what git, builds and runs leave.
var unread = []string{".git", ".cache", ".tare", "bin"}

// layer is a set of packages that may not import one another.
type layer struct {
	name string
	// packages are folders or patterns (path.Match); a folder's own line goes
	// before a pattern.
	packages []string
}

// layers is the house, lowest first: a package imports only strictly lower
// layers. A folder without a line here is a finding.
var layers = []layer{
	{"ground", []string{"guest", "guest/inside", "internal/arch", "internal/balance", "internal/calltest", "internal/chromium", "internal/condition", "internal/crate", "internal/fullmatch", "internal/golden", "internal/grpcconn", "internal/http1", "internal/named", "internal/picture", "internal/process", "internal/protofield", "internal/tally"}},
	// What answers a proxy's questions by gRPC.
	{"services", []string{"internal/echo", "internal/extproc", "internal/rls"}},
	{"words", []string{"internal/collect", "measure", "stat", "study"}},
	{"proxies", []string{"dataplane"}},
	{"contracts", []string{"api", "function", "load", "workload"}},
	{"apparatus", []string{"dataplane/xds", "load/call", "load/spool", "testbed"}},
	{"composition", []string{"mesh", "placement"}},
	{"experiment", []string{"experiment"}},
	{"records", []string{"comparison", "loadreport", "report", "store", "vet"}},
	{"exchange", []string{"atlas", "exposition", "smp"}},
	// Parts of an implementation, in folders below its own: only it imports them.
	{parts, []string{
		"dataplane/embedded/*", "dataplane/envoy/*", "dataplane/proxywasm/*",
		"function/*/*", "load/*/*", "mesh/*/*", "store/*/*", "testbed/*/*", "vet/*/*", "workload/*/*",
	}},
	{implementations, []string{
		"dataplane/embedded", "dataplane/envoy", "dataplane/proxywasm",
		"function/*", "load/*", "mesh/*", "store/*", "testbed/*", "vet/*", "workload/*",
	}},
	{conformance, conformancePackages},
	// The catalogue names what is built in and hands it on as sets; what the
	// command needs of an implementation (to serve as a proxy, a worker or a
	// service) is a field of what the catalogue hands out.
	{"catalogue", []string{"catalog", "server"}},
	{"command", []string{"cli"}},
	{"program", []string{"cmd/tare", "guest/dynmod", "guest/wasm"}},
}

// The layers that not everything above may import: implementations only the
// catalogue, a part only the folder above it, conformance suites only tests.
const (
	implementations = "implementations"
	parts           = "parts of implementations"
	conformance     = "conformance"
)

// conformancePackages hold every implementation of a contract against one suite.
var conformancePackages = []string{"dataplane/dataplanetest", "functiontest", "loadtest", "reporttest", "storetest"}

// onlyImporter is the one package that imports implementations.
const onlyImporter = "catalog"

// sideways are the allowed imports from one implementation to another.
var sideways = map[string]string{"dataplane/embedded": "dataplane/proxywasm"}

// home is where a dependency may be imported by files that are not tests.
type home struct {
	module string // an import path or the beginning of one
	// places are folders or files, or patterns of them.
	places []string
}

// homes lists every dependency. An import of anything else is a finding.
var homes = []home{
	{"github.com/envoyproxy/go-control-plane", []string{"dataplane", "dataplane/xds", "dataplane/embedded", "dataplane/embedded/*", "dataplane/envoy", "function/*/native.go", "function/*/native_*.go", "function/*/external.go", "function/*/prepare.go", "placement", "mesh/consul", "function/*/external_*.go", "internal/extproc", "internal/rls", "internal/collect"}},
	{"google.golang.org/grpc", []string{"dataplane/xds", "load/call", "load/fleet", "load/openloop", "dataplane/embedded", "dataplane/embedded/*", "function/*", "workload/*", "internal/balance", "internal/calltest", "internal/extproc", "internal/grpcconn", "internal/rls", "internal/collect"}},
	{"google.golang.org/genproto/googleapis/rpc", []string{"dataplane/embedded", "function/*"}},
	{"google.golang.org/protobuf", []string{"internal/protofield", "load/fleet", "load/call", "api", "function", "function/*", "dataplane", "dataplane/*", "dataplane/embedded/*", "placement", "mesh/consul", "smp", "exposition", "internal/extproc", "internal/rls", "internal/collect"}},
	{"C", []string{"guest/dynmod"}}, // it is loaded by Envoy, by C's rules
	{"github.com/tetratelabs/wazero", []string{"dataplane/proxywasm"}},
	{"modernc.org/sqlite", []string{"store/sqlite", "workload/imagehub"}},
	{"github.com/jackc/pgx", []string{"store/postgres"}},
	{"github.com/yuin/gopher-lua", []string{"dataplane/embedded/*"}},
	{"github.com/spf13/cobra", []string{"cli"}},
	{"github.com/spf13/pflag", []string{"cli"}},
	{"golang.org/x/term", []string{"cli"}},
	{"github.com/goccy/go-yaml", []string{"study", "smp"}},
	{"github.com/golang-jwt/jwt", []string{"workload/imagehub", "function/jwt"}},
	{"golang.org/x/crypto", []string{"workload/imagehub"}},
	{"github.com/cespare/xxhash", []string{"internal/balance", "dataplane/embedded/route"}},
	{"github.com/puzpuzpuz/xsync", []string{"function/ratelimit"}},
	{"github.com/klauspost/compress", []string{"function/compression"}},
	{"github.com/hashicorp/go-retryablehttp", []string{"function/retry"}},
	{"github.com/rs/cors", []string{"function/cors"}},
	{"golang.org/x/sys", []string{"internal/process", "measure", "load/openloop", "load/fleet", "dataplane/proxywasm"}},
	{"gonum.org/v1/gonum", []string{"stat"}},
	{"github.com/layer5io/service-mesh-performance", []string{"smp"}},
	{"github.com/HdrHistogram/hdrhistogram-go", []string{"exposition", "load/spool"}},
	{"go.opentelemetry.io/proto/slim/otlp", []string{"exposition", "internal/collect", "function/*"}},
	{"github.com/google/go-cmp", conformancePackages},      // and tests
	{"github.com/santhosh-tekuri/jsonschema", nil},         // tests only
	{"github.com/chromedp", []string{"internal/chromium"}}, // and tests
	{"github.com/prometheus/client_golang", []string{"function/metrics"}},
	{"github.com/prometheus/client_model", []string{"dataplane/embedded"}},
	{"github.com/prometheus", nil},        // tests only
	{"github.com/summerwind/h2spec", nil}, // tests only
	{"golang.org/x/net", []string{"load/openloop", "loadtest", "dataplane/embedded"}},
	{"golang.org/x/perf", nil}, // tests only
}

// drivers may be imported for their effect alone, in their home.
var drivers = []string{"modernc.org/sqlite", "github.com/jackc/pgx"}

// pure are packages that import the standard library and these modules only.
var pure = map[string][]string{
	"stat": {"gonum.org/v1/gonum"},
	"api":  {"google.golang.org/protobuf"},
}

// Limits of size, in lines.
const (
	longestFile = 500
	longestMain = 30
)

// mainFile is the program; everything else is a package that it calls.
const mainFile = "cmd/tare/main.go"

// programs are the folders of package main.
var programs = []string{"cmd/tare", "guest/dynmod", "guest/wasm", "internal/tally"}

// generatedFiles may be long and may hold init, when their head says that they
// are generated.
var generatedFiles = []string{"api/*.pb.go", "api/*/*.pb.go", "smp/*.pb.go"}

// bannedNames say nothing of what is in a package.
var bannedNames = []string{
	"base", "common", "core", "helper", "helpers", "lib", "manager", "misc", "shared", "types", "util", "utils",
}

// standardNames are the last elements of the standard library's import paths:
// a package of ours under one of them is misread.
var standardNames = []string{
	"adler32", "aes", "archive", "arena", "asn1", "ascii85", "ast", "atomic", "base32", "base64", "big", "binary", "bits", "bufio",
	"build", "bytes", "bzip2", "cgi", "cgo", "cipher", "cmp", "cmplx", "color", "comment", "compress", "constant", "constraint",
	"container", "context", "cookiejar", "coverage", "crc32", "crc64", "crypto", "csv", "database", "debug", "des", "doc", "draw",
	"driver", "dsa", "dwarf", "ecdh", "ecdsa", "ed25519", "elf", "elliptic", "embed", "encoding", "errors", "exec", "expvar", "fcgi",
	"filepath", "flag", "flate", "fmt", "fnv", "format", "fs", "fstest", "gif", "gob", "gosym", "gzip", "hash", "heap", "hex", "hkdf",
	"hmac", "hpke", "html", "http", "httptest", "httptrace", "httputil", "image", "importer", "io", "ioutil", "iotest", "iter", "jpeg",
	"json", "list", "log", "lzw", "macho", "mail", "maphash", "maps", "math", "md5", "mime", "mlkem", "multipart", "net", "netip",
	"os", "palette", "parse", "parser", "path", "pbkdf2", "pe", "pem", "pkix", "plan9obj", "plugin", "png", "pprof", "printer",
	"quick", "quotedprintable", "race", "rand", "rc4", "reflect", "regexp", "ring", "rpc", "rsa", "runtime", "scanner", "sha1",
	"sha256", "sha3", "sha512", "signal", "slices", "slog", "slogtest", "smtp", "sort", "sql", "strconv", "strings", "structs",
	"subtle", "suffixarray", "sync", "synctest", "syntax", "syscall", "syslog", "tabwriter", "tar", "template", "testing", "text",
	"textproto", "time", "tls", "token", "trace", "tzdata", "unicode", "unique", "unsafe", "url", "user", "utf16", "utf8", "weak",
	"x509", "xml", "zip", "zlib",
}

// mostTargets is how many targets the Makefile may have.
const mostTargets = 12

// foreign finds what has no place in any file: hosts of package registries and
// paths of the machines that this was written on. The brackets keep these
// patterns from finding themselves.
const foreign = `(^|[^a-z])(proxy|sum|files|registry|static|index|deb|security|repo1?)\.(golang|pypi|pythonhosted|npmjs|crates|debian|maven)[a-z.]*` +
	`|/[w]ork/(main|shared|steering|\.library|\.mirror)|/[f]arm/|/[r]oot/`
