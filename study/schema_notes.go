package study

// note is what the schema says of a field beyond its type.
type note struct {
	about   string
	needed  bool
	pattern string
	// names are the words that the field takes; of a Part, those of its name.
	names       func(Known) []string
	bounded     bool
	least, most float64 // with bounded; 0 is the default where Parse gives one
	items       int     // at least
}

func only(words ...string) func(Known) []string {
	return func(Known) []string { return words }
}

// fieldNotes describes every field of a study file, by its type and its name
// in the file.
var fieldNotes = map[string]note{
	"Study.tare":        {about: "the version of this file", needed: true, names: only(Format)},
	"Study.name":        {about: "1 to 40 of a-z, 0-9 and -", needed: true, pattern: nameRule.String()},
	"Study.question":    {about: "printed with the answer"},
	"Study.dataplane":   {about: "of every treatment with a proxy; several are compared in one study; --dataplane overrides it"},
	"Study.testbed":     {about: "where treatments stand; default local, this machine's loopback", names: func(k Known) []string { return k.Testbeds }},
	"Study.workload":    {about: "what is under test", needed: true, names: func(k Known) []string { return k.Workloads }},
	"Study.function":    {about: "what is weighed; needed by treatments with a form", names: func(k Known) []string { return k.Functions }},
	"Study.load":        {about: "the traffic that every treatment gets"},
	"Study.treatments":  {about: "each is its baseline plus exactly one thing", needed: true, items: 1},
	"Study.factors":     {about: "variables with the levels that they are tried at, such as {connections: [4, 16]}"},
	"Study.design":      {about: "how the study's time is spent"},
	"Study.enforcement": {about: "the last phase of each block: some users offer more than their limit"},
	"Study.margin":      {about: "differences that are too small to matter, fixed before any data"},
	"Study.reference":   {about: "published figures, printed beside those of a pairs study"},
	"Study.endpoints":   {about: "further figures to compare by, exploratory: mean, the mean response time", names: func(Known) []string { return FurtherEndpoints() }},
	"Study.smp":         {about: "of a study made by tare smp import: what its test file says beyond a study; no run reads it"},

	"Part.name":   {about: "its name", needed: true},
	"Part.params": {about: "its own parameters"},

	"Load.generator":   {about: "what offers the load; default openloop", names: func(k Known) []string { return k.Generators }},
	"Load.arrivals":    {about: "how requests are spaced in time; default poisson; bursts: 4 times the rate in a quarter of the time", names: only(arrivals()...)},
	"Load.rate":        {about: "for each treatment; default 500/s, lowered where queues would widen the intervals"},
	"Load.connections": {about: "for each treatment; default 8", bounded: true, most: MaxConnections},
	"Load.users":       {about: "who sends; without it one anonymous user does"},
	"Load.headers":     {about: "header fields that every request carries"},

	"Users.count": {about: "how many users there are", needed: true, bounded: true, least: 1, most: 100_000},
	"Users.mix":   {about: "the groups of users; their shares add up to 100%", needed: true, items: 1},

	"Group.subscription": {about: "the plan that these users pay for"},
	"Group.share":        {about: "of the users", needed: true},
	"Group.weight":       {about: "relative frequency of requests of one such user", bounded: true, most: maxWeight},

	"Treatment.name":     {about: "1 to 40 of a-z, 0-9 and -", needed: true, pattern: nameRule.String()},
	"Treatment.baseline": {about: "a treatment above it; only control direct or router stands without one"},
	"Treatment.control":  {about: "direct: no proxy; router: a proxy that only routes, at a site; relay: an application that calls the service, in front of all else; token: the workload's token check in the proxy; noop: a filter that does nothing, in the form named; aa: a second copy of its baseline"},
	"Treatment.form":     {about: "a function in that form"},
	"Treatment.function": {about: "what the form is of; default the study's function", names: func(k Known) []string { return k.Functions }},
	"Treatment.site":     {about: "of a form or a router; default the service for library, else the server's sidecar"},
	"Treatment.workload": {about: "replaces the study's workload parameters as a whole"},
	"Treatment.set":      {about: "factors at levels that the study has otherwise, such as {connections: 16}"},
	"Treatment.against":  {about: "further treatments above it that it is compared with"},

	"Design.of":            {about: "of a design over factors: the treatment that is copied for each combination of levels; default the last"},
	"Design.resolution":    {about: "of design fraction: the resolution that it must have", bounded: true, least: 3, most: 8},
	"Design.name":          {about: designDocs(), names: only(Designs()...)},
	"Design.time":          {about: "for the whole run; default 90s, 20s for each treatment beyond 7; --time overrides it"},
	"Design.blocks":        {about: "default: as many as fit the time", bounded: true, most: 10_000},
	"Design.warmup":        {about: "requests to each treatment, discarded; default 1000", bounded: true, most: 1_000_000},
	"Design.idle":          {about: "without load: what processes use on their own; default 500ms"},
	"Design.latency":       {about: "the phase whose latencies are compared; default 3s"},
	"Design.control_every": {about: "interference control in every n-th block, n from 2; -1: never; default 4", bounded: true, least: -1, most: 10_000},
	"Design.solo":          {about: "one window of the interference control; default 1.5s"},
	"Design.stop":          {about: "width: when every primary interval is narrow enough; fixed: after all blocks", names: only(StopWidth, StopFixed)},
	"Design.pair":          {about: "of design pairs: the baseline and the treatment"},
	"Design.levels":        {about: "of design pairs: rates for each treatment, or closed"},
	"Design.objective":     {about: "of design knee: what a rate must keep, such as p99<5ms,errors<0.1%"},
	"Design.probe":         {about: "of design knee: the length of one probe, of which the first fifth is not judged; default: the least that the objective needs, at least 1.25s"},
	"Design.treatments":    {about: "of design knee: those whose knee is asked for; default all"},
	"Design.closed":        {about: "of design pairs: one of the four windows of a closed loop; default 500ms"},

	"Enforcement.subscription": {about: "whose users go over their limit", needed: true},
	"Enforcement.share":        {about: "of all users", needed: true},
	"Enforcement.requests":     {about: "that each of them sends to each treatment", needed: true, bounded: true, least: 1, most: 10_000},
	"Enforcement.duration":     {about: "of the phase, 100ms to 1h", needed: true},

	"Margins.p50":  {about: "default: the greater of 2% and 2us"},
	"Margins.p99":  {about: "default: 5%"},
	"Margins.cpu":  {about: "CPU per request; default: 2%"},
	"Margins.rate": {about: "requests/s of a closed loop, as a share; default in design pairs: 2%"},

	"Reference.source":  {about: "whose figures they are", needed: true},
	"Reference.figures": {about: "one for each treatment and level"},
	"Reference.differs": {about: "what their set-up had that ours has not, and the other way round"},

	"Figure.treatment": {about: "one of the pair", needed: true},
	"Figure.level":     {about: "one of the design's levels", needed: true},
	"Figure.p50":       {about: "their median"},
	"Figure.rate":      {about: "what their closed loop reached"},
}
