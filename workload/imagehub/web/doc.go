// Package web is Image Hub's web front end: pages on which a person signs up,
// logs in, pulls images, upgrades the subscription, and sees the limit bite
// and when it lifts.
//
// It is a service of its own and calls the API over HTTP, at a base URL that it
// is given: a proxy's on the mesh, the API's own off it. It keeps nothing. Who
// is logged in, with the token of the API, is in a cookie that scripts cannot
// read; what the last pull gave is in another. Both are the browser's own: a
// forged one changes what its forger sees, since the API verifies the token of
// every request. A form is taken only from a page of this server, by what the
// browser says of the request's origin and by a token in the form. Pages work
// without script; the one script there is counts seconds.
//
// It does not enforce limits, it only shows what the answers say of them. It
// speaks plain HTTP, so it is for loopback, where Cookies cannot be marked
// Secure; their names carry the port, since cookies do not know ports.
package web
