package atlas

import "github.com/taremesh/tare/study"

// untriedWhy says why nobody tried something.
type untriedWhy struct {
	form   study.Form // empty: any
	plane  string     // empty: any, and the application
	vector Vector     // empty: any
	what   string     // empty: any
	why    string
}

// untriedWhys are looked through in order.
var untriedWhys = []untriedWhy{
	{form: study.FormDynmod, plane: "embedded", why: "the form is not there: a dynamic module is loaded by Envoy"},
	{form: study.FormDynmodGo, plane: "embedded", why: "the form is not there: a dynamic module is loaded by Envoy"},
	{form: study.FormNative, vector: State, what: "across-proxies", why: "no function of ours shares state between proxies in the plane's own filters alone; the global rate limit asks a service, and is the form external"},
	{form: study.FormNative, why: "the catalogue has no function that needs it of a plane's own filter"},
	{form: study.FormLibrary, vector: Safety, what: "swap", why: "new parameters of a library are a new program: to roll it out is a deployment's, which no testbed here does"},
	{form: study.FormLibrary, vector: Safety, why: "it is the application's own code: what goes wrong in it goes wrong in the application"},
	{form: study.FormLibrary, why: "a library is code of the application, which can do it by its own means; no function of the catalogue needs it"},
}

// untried is why there is no try; empty: no reason is known.
func untried(form study.Form, plane string, v Vector, what string) string {
	for _, u := range untriedWhys {
		if (u.form == "" || u.form == form) && (u.plane == "" || u.plane == plane) && (u.vector == "" || u.vector == v) && (u.what == "" || u.what == what) {
			return u.why
		}
	}
	return ""
}
