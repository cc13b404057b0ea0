// Package healthcheck is active health checking: every replica is asked for its
// health, and gets requests only while it says that it is well.
//
// A check is a GET of a path; 200 is well. The first check of a replica decides
// at once. Later an answer other than 200 makes it unhealthy at once, no answer
// in time after UnhealthyAfter in a row; HealthyAfter good ones in a row make it
// healthy again. The healthy replicas get requests in turn; when none is, 503.
package healthcheck
