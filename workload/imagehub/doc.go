// Package imagehub is the sample application: a registry of images whose users
// have subscriptions, each with a number of pulls per minute.
//
// Users sign up, log in, pull images and upgrade their subscription. Who a
// user is and what subscription they have travels in a token that the API
// signs (ES256) and verifies on every request to GET /pull, with no cache.
// That path touches no disk, no database and no lock that users share: the
// token is verified, the caller put into the request's context, and the request
// handed through the functions in library form to the handler that answers.
// Accounts live in SQLite, passwords as bcrypt hashes. As a workload of a
// study it serves pulls only, with a public key that it is told; Prepare makes
// the key and a token per user.
//
// Application is the whole API as a workload that can stand behind a proxy, and
// Web the web front end before it: package web, which calls the API as any
// client does.
//
// It enforces no subscription itself: that is the function under study. It
// stores no images: a pull is answered with a fixed body. A token stays valid
// until it expires, also after an upgrade; there is no revocation.
//
//	POST /signup         {username, password, subscription}  201 {username, subscription}
//	POST /login          {username, password}                200 {token, expires, subscription}
//	GET  /pull?image=…   Bearer token                        200 the image
//	POST /pull?image=…   Bearer token, any body              200 the image; the body is read and thrown away
//	POST /upgrade        {subscription}, Bearer token        200 {token, expires, subscription}
//	GET  /subscriptions                                      200 [{name, pulls_per_minute}]
//	GET  /.well-known/jwks.json                              200 the public key
//
// Errors are {"error": "what was wrong"} with a status of 4xx or 5xx.
package imagehub
