// Package chromium opens a real Chromium for tests of pages; tests only.
//
// All of it is behind the build tag browser, as those tests are: make test gives
// them a group of their own and gets the program. A Window keeps what pages wrote
// to the console, errors of scripts and of the content security policy among it.
package chromium
